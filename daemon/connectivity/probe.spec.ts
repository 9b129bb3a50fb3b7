import assert from 'node:assert/strict';
import { connect } from 'node:net';
import type { IpAddress } from '../../lib/address.ts';
import { listen, type Listener } from './listener.ts';
import { candidatesOf } from './free-address.ts';
import { runProbe, type ProbeOutcome } from './probe.ts';
import { removeLeftovers, type LinkRow } from './test-devices.ts';
import { weftCommand } from './weft-command.ts';

const NO_ADDON = { native: undefined, reason: 'not needed' } as const;
const LOCAL = '127.0.0.1' as IpAddress;

describe('test packets', () => {
  let listener: Listener;

  before(async () => {
    listener = await listen(LOCAL, 'secret');
  });
  after(() => listener.close());

  const probe = (kind: 'tcp' | 'udp', bytes: number, token = 'secret'): Promise<ProbeOutcome> =>
    runProbe({ kind, to: LOCAL, port: listener[kind], token, bytes }, NO_ADDON);

  it('come back, with the source that the listener saw', async () => {
    for (const bytes of [0, 1, 32_768])
      assert.deepEqual(await probe('tcp', bytes), { ok: true, seen: LOCAL });
    for (const bytes of [128, 1450]) assert.deepEqual(await probe('udp', bytes), { ok: true, seen: LOCAL });
  });

  it('without the token, or of a length that no test has, get no answer', async () => {
    assert.equal((await probe('tcp', 10, 'guess')).ok, false);
    assert.equal((await probe('tcp', 70_000)).ok, false);
  });

  it('that are refused say so', async () => {
    const gone = await listen(LOCAL, 'secret');
    gone.close();
    const outcome = await runProbe(
      { kind: 'tcp', to: LOCAL, port: gone.tcp, token: 'secret', bytes: 1 },
      NO_ADDON,
    );
    assert.match(outcome.ok ? '' : outcome.reason, /^refused/);
  });

  it('are bounded before they are whole', async () => {
    const socket = connect(listener.tcp, LOCAL);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => undefined);
    socket.write('x'.repeat(1000));
    await closed;
  });
});

describe('a test container', () => {
  it('gets an address from the end of the subnet, never the first two or the last', () => {
    assert.deepEqual(candidatesOf('10.5.1.0/29' as never), [
      '10.5.1.6',
      '10.5.1.5',
      '10.5.1.4',
      '10.5.1.3',
      '10.5.1.2',
    ]);
    assert.equal(candidatesOf('10.5.1.0/24' as never)[0], '10.5.1.254');
    assert.equal(candidatesOf('fd00:5:1::/64' as never)[0], 'fd00:5:1:0:ffff:ffff:ffff:fffe');
    assert.deepEqual(candidatesOf('10.5.1.0/31' as never), []);
  });

  it('is a leftover once its process is gone', async () => {
    const links = ['eth0', 'weft-ct4194305', 'weft-ct1', 'weft-ctx'].map((ifname): LinkRow => ({
      ifname,
      flags: [],
    }));
    const kept = await removeLeftovers(links, (pid) => pid === '1');
    assert.deepEqual(
      kept.map(({ ifname }) => ifname),
      ['eth0', 'weft-ct1', 'weft-ctx'],
    );
  });

  it('starts weft again from a bundle and from the sources', () => {
    assert.deepEqual(weftCommand(['node', '/usr/lib/weft/weft.mjs', 'daemon']), [
      'node',
      '/usr/lib/weft/weft.mjs',
    ]);
    assert.deepEqual(weftCommand(['node', '/usr/lib/weft/weft-daemon.cjs', 'daemon']), [
      'node',
      '/usr/lib/weft/weft.mjs',
    ]);
    assert.deepEqual(weftCommand(['node', '/src/bin/start.mjs', 'weft', 'daemon']), [
      'node',
      '/src/bin/start.mjs',
      'weft',
    ]);
  });
});
