import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ControlClient } from '../../client/control-client.ts';
import type { Found } from '../check.ts';
import { Facts } from '../facts.ts';
import { CHECKS } from '../run-checks.ts';
import { alarmOf } from '../etcd-alarms.ts';

const STATUS = {
  registry: { kind: 'kubernetes' },
  network: {
    ipv4: '10.5.0.0/16',
    mtu: 1450,
    devices: ['flannel.1'],
    backend: 'vxlan',
    encapsulation: 'kernel',
  },
  interface: { name: 'eth0', address: '198.18.1.1' },
  lease: { state: 'held', ipv4: '10.5.1.0/29' },
};
const bridge = (ifname: string, mtu: number, address: string) => ({
  ifname,
  mtu,
  flags: ['UP'],
  linkinfo: { info_kind: 'bridge' },
  addr_info: [{ local: address.split('/')[0], prefixlen: Number(address.split('/')[1]), scope: 'global' }],
});
const port = (master: string) => ({ ifname: `p-${master}`, mtu: 1450, flags: ['UP'], master });

describe('weft doctor on a host with', () => {
  let root: string;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'weft-doctor-'));
  });
  after(() => rm(root, { recursive: true }));

  async function find(
    id: string,
    links: readonly unknown[],
    routes?: readonly unknown[],
  ): Promise<readonly Found[]> {
    const facts = new Facts({
      client: {
        request: (name: string) => Promise.resolve(name === 'status' ? STATUS : { peers: [], devices: [] }),
      } as unknown as ControlClient,
      etcd: { endpoints: [], prefix: '' },
      root: `${root}/`,
      output: (argv) => {
        const rows = argv.includes('address') ? links : argv.includes('default') ? routes : undefined;
        return Promise.resolve(rows && JSON.stringify(rows));
      },
      run: () => Promise.resolve({ code: 127, stdout: '', stderr: '' }),
    });
    const found = await CHECKS.find((check) => check.id === id)!.run(facts);
    facts.close();
    return found;
  }

  const ours = bridge('br0', 1450, '10.5.1.1/29');

  it('an empty cni0 of the usual MTU finds nothing', async () => {
    assert.deepEqual(await find('bridge-mtu', [bridge('cni0', 1500, '10.5.1.1/29')]), []);
  });

  it('containers on a bridge of the usual MTU finds it', async () => {
    const [found] = await find('bridge-mtu', [bridge('br7', 1500, '10.5.1.1/29'), port('br7')]);
    assert.match(found?.fix ?? '', /^ip link set br7 mtu 1450 {2}#/);
  });

  it('a cni0 of an old network suggests its removal while it is empty alone', async () => {
    const [empty] = await find('bridge-subnet', [bridge('cni0', 1450, '10.77.1.1/24')]);
    assert.match(empty?.fix ?? '', /^ip link delete cni0 {2}#/);
    const [used] = await find('bridge-subnet', [bridge('cni0', 1450, '10.77.1.1/24'), port('cni0')]);
    assert.match(
      used?.fix ?? '',
      /^ip address del 10\.77\.1\.1\/24 dev cni0; ip address add 10\.5\.1\.1\/29 dev cni0 {2}#/,
    );
  });

  it('a bridge of another network finds nothing', async () => {
    assert.deepEqual(await find('bridge-subnet', [ours, bridge('virbr0', 1500, '192.168.122.1/24')]), []);
  });

  for (const [name, device, routes] of [
    ['the underlay interface', 'eth0', []],
    ['the device of the default route', 'br0', [{ dst: 'default', dev: 'br0' }]],
    ['one device of the default route', 'br0', [{ dst: 'default', nexthops: [{ dev: 'br0' }] }]],
    ['a bridge while the default route is unknown', 'br0', undefined],
  ] as const)
    it(`${name} with a wide network leaves it alone`, async () => {
      assert.deepEqual(await find('bridge-subnet', [ours, bridge(device, 1500, '10.0.0.5/8')], routes), []);
    });

  const twins = [bridge('br8', 1450, '10.5.1.1/29'), bridge('cni0', 1450, '10.5.1.1/29'), port('cni0')];
  it('two bridges of one address leaves it to the one with containers', async () => {
    const [found] = await find('bridge-twice', twins, []);
    assert.match(found?.fix ?? '', /^ip address del 10\.5\.1\.1\/29 dev br8 {2}# cni0 keeps it/);
  });

  it('two bridges of one address leaves it to the one that reaches other hosts', async () => {
    const [found] = await find('bridge-twice', twins, [{ dev: 'br8' }]);
    assert.match(found?.fix ?? '', /^ip address del 10\.5\.1\.1\/29 dev cni0 {2}# br8 keeps it/);
  });

  it('a wide bridge of others suggests no removal of the device', async () => {
    const [found] = await find('bridge-subnet', [bridge('br9', 1500, '10.0.0.5/8')], []);
    assert.match(found?.fix ?? '', /^ip address del 10\.0\.0\.5\/8 dev br9;/);
  });

  async function write(name: string, text: string): Promise<void> {
    const file = join(root, 'var/lib/cni', name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }

  it('a full pool of host-local names the files that no container needs', async () => {
    for (const last of [2, 3, 4, 5]) await write(`networks/net/10.5.1.${last}`, 'id\r\neth0');
    assert.deepEqual(await find('cni-pool-full', [ours]), []);
    await write('networks/net/10.5.1.6', 'id\r\neth0');
    const [found] = await find('cni-pool-full', [ours]);
    assert.match(found?.title ?? '', /all 5 addresses of 10\.5\.1\.0\/29/);
    assert.match(found?.fix ?? '', /^rm -f \S+\/networks\/net\/10\.5\.1\.2 .*# addresses that no container/);
  });

  for (const [name, path, isHidden] of [
    ['a namespace that cannot be read', 'proc/1/ns/net', true],
    ['a process that ended', 'proc/1/ns', false],
    ['a folder of namespaces that cannot be read', 'run/netns', true],
    ['hidden processes', 'proc/77/ns/net', true],
  ] as const)
    it(`a full pool and ${name} removes ${isHidden ? 'nothing' : 'what no container needs'}`, async () => {
      const file = join(root, path);
      await mkdir(dirname(file), { recursive: true });
      // A link to itself is an error for root, too.
      if (isHidden) await symlink(file, file);
      const [found] = await find('cni-pool-full', [ours]);
      await Promise.all(
        ['proc', 'run'].map((each) => rm(join(root, each), { recursive: true, force: true })),
      );
      assert.equal(found?.fix?.startsWith('rm -f '), !isHidden);
    });

  it('damaged files of CNI plugins names them', async () => {
    assert.deepEqual(await find('cni-state', [ours]), []);
    await write('networks/net/10.5.1.6', '');
    await write('flannel/abc', '{"cniVersion":');
    const [found] = await find('cni-state', [ours]);
    assert.match(found?.evidence.join() ?? '', /10\.5\.1\.6: empty.*flannel\/abc: no JSON/);
  });

  it('a full table of connections', async () => {
    const folder = join(root, 'proc/sys/net/netfilter');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'nf_conntrack_max'), '1000\n');
    await writeFile(join(folder, 'nf_conntrack_count'), '998\n');
    const [found] = await find('conntrack-full', [ours]);
    assert.match(found?.fix ?? '', /nf_conntrack_max=4000/);
  });
});

describe('the alarm of etcd', () => {
  for (const [text, expected] of [
    ['{"health":"false","reason":"ALARM NOSPACE"}', 'NOSPACE'],
    ['{"header":{},"alarms":[{"memberID":"1","alarm":"CORRUPT"}]}', 'CORRUPT'],
    ['{"health":"true"}', undefined],
    [undefined, undefined],
  ] as const)
    it(String(expected ?? text), () => assert.equal(alarmOf(text), expected));
});
