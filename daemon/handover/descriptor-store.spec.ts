import assert from 'node:assert/strict';
import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemdDescriptorStore } from './descriptor-store.ts';
import { createLogger } from '../log/log.ts';
import { waitFor } from '../../lab/wait.ts';

const PID = 42;

function fixture(names: string, more: Record<string, string> = {}) {
  const sent: string[] = [];
  const closed: number[] = [];
  const lines: string[] = [];
  let error: Error | undefined;
  const count = names === '' ? 0 : names.split(':').length;
  const listen = { LISTEN_PID: String(PID), LISTEN_FDS: String(count), LISTEN_FDNAMES: names };
  const env: Record<string, string | undefined> = { NOTIFY_SOCKET: '/s', ...listen, ...more };
  const store = new SystemdDescriptorStore({
    env,
    pid: PID,
    log: createLogger({ write: (line) => lines.push(line) }),
    close: (fd) => closed.push(fd),
    openMemoryFile: openFile,
    sendDatagram: (path, text, fds) => {
      if (error !== undefined) throw error;
      sent.push([path, ...text.split('\n'), ...fds.map((fd) => `fd ${fd}`)].join(' '));
    },
  });
  const fail = (code?: string): void => {
    error = code === undefined ? undefined : Object.assign(new Error('sendmsg'), { code });
  };
  return { store, env, sent, closed, lines, fail };
}

/** A file like those of the addon. */
function openFile(): number {
  const folder = mkdtempSync(join(tmpdir(), 'weft-record-'));
  const file = openSync(join(folder, 'file'), 'w+');
  rmSync(folder, { recursive: true });
  return file;
}

const TUN = { kind: 'tun', index: 0, fd: 20 } as const;
const SOCKET = { kind: 'udp', index: 0, fd: 21 } as const;
const FULL = 'weft-tun-flannel.1-0:other:weft-udp-flannel.1-0:weft-tun-flannel-v6.1-12:weft-bpf-flannel.1-1';

describe('descriptors of an earlier process', () => {
  it('are identified by kind, device and index', () => {
    const { store } = fixture(FULL);
    assert.equal(store.isEmpty, false);
    assert.deepEqual([store.has('flannel.1'), store.has('flannel0')], [true, false]);
    assert.deepEqual(store.take('flannel.1'), [
      { kind: 'tun', index: 0, fd: 3 },
      { kind: 'udp', index: 0, fd: 5 },
      { kind: 'bpf', index: 1, fd: 7 },
    ]);
    assert.deepEqual(store.take('flannel-v6.1'), [{ kind: 'tun', index: 12, fd: 6 }]);
  });

  it('are taken once', () => {
    const { store } = fixture(FULL);
    store.take('flannel.1');
    assert.equal(store.has('flannel.1'), false);
    assert.deepEqual(store.take('flannel.1'), []);
  });

  it('stay unclaimed after a peek, until they are taken or dropped', () => {
    const { store } = fixture(FULL);
    assert.equal(store.peek('flannel.1').length, 3);
    assert.deepEqual([store.has('flannel.1'), store.unclaimed], [true, ['flannel-v6.1', 'flannel.1']]);
    assert.deepEqual(store.take('flannel.1'), []);
    assert.deepEqual([store.has('flannel.1'), store.unclaimed], [false, ['flannel-v6.1']]);
  });

  it('are no device without a TUN queue', () => {
    assert.equal(fixture('weft-udp-flannel0-0').store.has('flannel0'), false);
  });

  for (const [what, more] of [
    ['another process', { LISTEN_PID: '41' }],
    ['no process', { LISTEN_PID: '' }],
    ['a count of none', { LISTEN_FDS: '0' }],
    ['no count', { LISTEN_FDS: 'x' }],
  ] as const)
    it(`are not ours if meant for ${what}; the variables are removed anyway`, () => {
      const { store, env } = fixture(FULL, more);
      assert.equal(store.isEmpty, true);
      assert.deepEqual(Object.keys(env), ['NOTIFY_SOCKET']);
    });

  it('are closed and removed if they were not taken; foreign ones are not', () => {
    const { store, closed, sent } = fixture(FULL);
    store.take('flannel.1');
    store.closeUnclaimed();
    assert.deepEqual(closed, [6]);
    assert.deepEqual(sent, ['/s FDSTOREREMOVE=1 FDNAME=weft-tun-flannel-v6.1-12']);
    assert.equal(store.isEmpty, true);
  });
});

describe('descriptors for a successor', () => {
  it('are sent one by one, by name', () => {
    const { store, sent } = fixture('');
    store.store('flannel0', [TUN, SOCKET]);
    assert.deepEqual(sent, [
      '/s FDSTORE=1 FDPOLL=0 FDNAME=weft-tun-flannel0-0 fd 20',
      '/s FDSTORE=1 FDPOLL=0 FDNAME=weft-udp-flannel0-0 fd 21',
    ]);
  });

  it('replace all that were stored before, by this or the earlier process', () => {
    const { store, sent } = fixture('weft-tun-flannel0-0:weft-tun-flannel0-1');
    store.take('flannel0');
    store.store('flannel0', [TUN]);
    store.store('flannel0', [SOCKET]);
    assert.deepEqual(
      sent.map((text) => text.replace('/s ', '').replace('FDPOLL=0 ', '')),
      [
        'FDSTOREREMOVE=1 FDNAME=weft-tun-flannel0-0',
        'FDSTOREREMOVE=1 FDNAME=weft-tun-flannel0-1',
        'FDSTORE=1 FDNAME=weft-tun-flannel0-0 fd 20',
        'FDSTOREREMOVE=1 FDNAME=weft-tun-flannel0-0',
        'FDSTORE=1 FDNAME=weft-udp-flannel0-0 fd 21',
      ],
    );
  });

  it('are removed with their device', () => {
    const { store, sent } = fixture('');
    store.store('flannel0', [TUN]);
    store.remove('flannel0');
    store.remove('flannel0');
    assert.deepEqual(sent.slice(1), ['/s FDSTOREREMOVE=1 FDNAME=weft-tun-flannel0-0']);
  });

  it('wait for a socket that is full, and are not sent once their device is closed', async () => {
    const { store, sent, lines, fail } = fixture('');
    fail('EAGAIN');
    store.store('flannel0', [TUN]);
    store.store('flannel.1', [SOCKET]);
    store.remove('flannel0');
    fail();
    await waitFor('the socket has room', () => sent.length === 2);
    assert.deepEqual(sent, [
      '/s FDSTORE=1 FDPOLL=0 FDNAME=weft-udp-flannel.1-0 fd 21',
      '/s FDSTOREREMOVE=1 FDNAME=weft-tun-flannel0-0',
    ]);
    assert.deepEqual(lines, []);
  });

  it('cause one warning if they cannot be sent', () => {
    const { store, lines, fail } = fixture('');
    fail('ENOENT');
    store.store('flannel0', [TUN, SOCKET]);
    assert.equal(lines.length, 1);
    assert.match(lines[0]!, /WARN.*systemd.*next restart.*ENOENT/);
  });

  it('are not sent without a service manager', () => {
    const { store, sent } = fixture('', { NOTIFY_SOCKET: '' });
    store.store('flannel0', [TUN]);
    store.stop();
    assert.deepEqual(sent, []);
  });
});

describe('the checkpoint of a device', () => {
  it('is stored in one file with the last text, and is removed with the device', () => {
    const { store, sent } = fixture('');
    store.storeCheckpoint('flannel0', 'a longer text');
    store.storeCheckpoint('flannel0', 'a text');
    assert.equal(store.checkpointOf('flannel0'), 'a text');
    assert.equal(sent.length, 1);
    assert.match(sent[0]!, /^\/s FDSTORE=1 FDPOLL=0 FDNAME=weft-record-flannel0-0 fd \d+$/);
    store.store('flannel0', [TUN]);
    assert.equal(sent.length, 2);
    store.remove('flannel0');
    assert.equal(sent.at(-1), '/s FDSTOREREMOVE=1 FDNAME=weft-record-flannel0-0');
    assert.equal(store.checkpointOf('flannel0'), '');
  });

  it('is no descriptor of a device', () => {
    const { store } = fixture('weft-record-flannel0-0');
    assert.equal(store.isEmpty, true);
    assert.deepEqual(store.take('flannel0'), []);
  });

  it('is not created without a service manager', () => {
    const { store } = fixture('', { NOTIFY_SOCKET: '' });
    store.storeCheckpoint('flannel0', 'a text');
    assert.equal(store.checkpointOf('flannel0'), '');
  });
});
