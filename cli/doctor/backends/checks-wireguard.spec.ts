import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { lease } from '../../../backends/fixture.ts';
import { wireguardPublicKey } from '../../../lib/wireguard-key.ts';
import type { Facts } from '../facts.ts';
import { WIREGUARD_CHECKS } from './checks-wireguard.ts';

const KEY = wireguardPublicKey(Buffer.alloc(32, 1));
const OTHER = wireguardPublicKey(Buffer.alloc(32, 2));
const SECRET = Buffer.alloc(32, 3).toString('base64');

interface Host {
  readonly backend?: string;
  /** Published keys, the first of this host. */
  readonly published?: readonly string[];
  /** Keys of its devices. */
  readonly devices?: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  /** Output by program. */
  readonly programs?: Readonly<Record<string, string>>;
  readonly wireguard?: object;
}

/** What the check finds, as severity and text. */
async function find(id: string, host: Host): Promise<readonly (readonly [string, string])[]> {
  const {
    backend = 'wireguard',
    published = [KEY],
    devices = [KEY],
    files = {},
    programs = {},
    wireguard,
  } = host;
  const leases = published.map((PublicKey, index) =>
    lease(`10.5.${index + 1}.0/24`, { backendType: 'wireguard', backendData: { PublicKey } }),
  );
  const facts = {
    config: Promise.resolve(undefined),
    status: Promise.resolve({ network: { backend }, lease: { key: '10.5.1.0-24' } }),
    leases: Promise.resolve(leases),
    devices: Promise.resolve({
      devices: devices.map((publicKey) => ({ name: 'flannel-wg', tunnel: { type: 'wireguard', publicKey } })),
    }),
    peers: Promise.resolve({ peers: [{ key: '10.5.2.0-24', wireguard }] }),
    path: (path: string) => path,
    file: (path: string) => Promise.resolve(files[path]),
    program: (name: string) => Promise.resolve(programs[name]),
  } as unknown as Facts;
  const found = await WIREGUARD_CHECKS.find((check) => check.id === id)!.run(facts);
  return found.map(({ severity, title, evidence }) => [severity, [title, ...evidence].join('; ')]);
}

describe('checks of wireguard of weft doctor', () => {
  it('find nothing where all is right, and nothing with another backend', async () => {
    const right: Host = { files: { 'run/flannel/wgkey': SECRET }, programs: { stat: '600 root' } };
    const wrong: Host = {
      backend: 'vxlan',
      devices: [OTHER],
      published: [KEY, KEY],
      programs: { stat: '644 root' },
    };
    for (const { id } of WIREGUARD_CHECKS)
      for (const host of [right, wrong]) assert.deepEqual(await find(id, host), [], id);
  });

  it('wireguard-missing: no device, no module, no program', async () => {
    const [found] = await find('wireguard-missing', { devices: [] });
    assert.equal(found?.[0], 'error');
    for (const program of ['modprobe', 'wireguard-go', 'boringtun-cli'])
      assert.deepEqual(await find('wireguard-missing', { devices: [], programs: { [program]: '' } }), []);
    const files = { 'sys/module/wireguard/initstate': 'live' };
    assert.deepEqual(await find('wireguard-missing', { devices: [], files }), []);
  });

  for (const [what, text, mode, severity] of [
    ['unreadable', undefined, '600 root', 'error'],
    ['no key', 'hunter2', '600 root', 'error'],
    ['readable by others', `${SECRET}\n`, '644 root', 'warning'],
    ["flannel's mode", SECRET, '400 root', undefined],
  ] as const)
    it(`wireguard-key-file: ${what}`, async () => {
      const files = text === undefined ? {} : { 'run/flannel/wgkey': text };
      const found = await find('wireguard-key-file', { files, programs: { stat: mode } });
      assert.equal(found[0]?.[0], severity);
      assert.ok(!JSON.stringify(found).includes('hunter2') && !JSON.stringify(found).includes(SECRET));
    });

  it('wireguard-key: the lease names another key than the device has', async () => {
    const [found] = await find('wireguard-key', { published: [OTHER] });
    assert.ok(found?.[1].includes(`published: ${OTHER}; flannel-wg: ${KEY}`), found?.[1]);
  });

  it('wireguard-clash: one key of two hosts', async () => {
    const [found] = await find('wireguard-clash', { published: [KEY, OTHER, KEY] });
    assert.ok(found?.[1].includes(`${KEY}: 10.5.1.0-24, 10.5.3.0-24`), found?.[1]);
  });

  it('wireguard-handshake: a silent peer, with its endpoint', async () => {
    const wireguard = { isSilent: true, endpoint: '192.0.2.2:51820', handshakeAgeSec: 400 };
    const [found] = await find('wireguard-handshake', { wireguard });
    assert.ok(found?.[1].includes('10.5.2.0-24 at 192.0.2.2:51820: last 400 s ago'), found?.[1]);
    assert.deepEqual(await find('wireguard-handshake', { wireguard: { ...wireguard, isSilent: false } }), []);
  });
});
