// The bundled weft-cni, called as a runtime does, with Debian's bridge and host-local as delegates
// and network namespaces as containers.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { packageRoot } from '../lab/package-root.ts';
import { CniRuntime, PluginError, type Conflist, type Execute } from './support/cni-runtime.ts';

const PLUGINS = '/usr/lib/cni';
const SUBNET_ENV =
  'FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\nFLANNEL_IPV6_NETWORK=fd00::/48\n' +
  'FLANNEL_IPV6_SUBNET=fd00:0:0:1::1/64\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n';
const NAMES = ['weft-a', 'weft-b'] as const;
const [A, B] = NAMES.map((id) => ({ id, netns: `/run/netns/${id}` })) as [
  { id: string; netns: string },
  { id: string; netns: string },
];

function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: 'pipe' });
}

describe('weft-cni', () => {
  let folder = '';

  before(() => mkdirSync('/run/netns', { recursive: true }));
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-cni-'));
    mkdirSync(join(folder, 'bin'));
    for (const name of ['weft-cni', 'flannel'])
      symlinkSync(join(packageRoot(), 'dist/weft-cni.cjs'), join(folder, 'bin', name));
    writeFileSync(join(folder, 'subnet.env'), SUBNET_ENV);
    for (const name of NAMES) ip('netns', 'add', name);
  });
  afterEach(() => {
    for (const name of NAMES) ip('netns', 'del', name);
    if (existsSync('/sys/class/net/cni0')) ip('link', 'del', 'cni0');
    rmSync(folder, { recursive: true });
  });

  const execute: Execute = ({ type, environment, input }) =>
    new Promise((resolve) => {
      const file = [join(folder, 'bin', type), join(PLUGINS, type)].find((path) => existsSync(path))!;
      const env = { PATH: process.env['PATH'], ...environment };
      const child = execFile(file, { env }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
      );
      child.stdin!.end(input);
    });

  interface Options {
    readonly cniVersion?: string;
    readonly path?: string;
    readonly plugin?: Record<string, unknown>;
  }
  function runtime({ cniVersion = '1.0.0', path = PLUGINS, plugin = {} }: Options = {}): CniRuntime {
    const list: Conflist = {
      cniVersion,
      name: 'net',
      plugins: [
        {
          type: 'weft-cni',
          subnetFile: join(folder, 'subnet.env'),
          dataDir: join(folder, 'data'),
          delegate: { isDefaultGateway: true },
          ipam: { dataDir: join(folder, 'addresses') },
          ...plugin,
        },
      ],
    };
    return new CniRuntime(list, path, execute);
  }
  const storedNames = () => (existsSync(join(folder, 'data')) ? readdirSync(join(folder, 'data')) : []);
  /** Addresses that host-local assigned. */
  const assigned = () =>
    (existsSync(join(folder, 'addresses/net')) ? readdirSync(join(folder, 'addresses/net')) : []).filter(
      (name) => /^(?:10\.|fd)/.test(name),
    );
  const failure = async (promise: Promise<unknown>) => {
    const error: unknown = await promise.then(
      () => assert.fail('nothing failed'),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof PluginError, String(error));
    return error.answer;
  };

  it('connects a container, checks it, and removes it completely', async () => {
    const cni = runtime();
    const result = await cni.add(A);
    assert.deepEqual(
      result.ips.map(({ address }) => address),
      ['10.5.72.2/24', 'fd00:0:0:1::2/64'],
    );
    const addresses = ip('netns', 'exec', A.id, 'ip', 'addr', 'show', 'eth0');
    assert.match(addresses, /mtu 1450/);
    assert.match(ip('netns', 'exec', A.id, 'ip', 'route'), /^default via 10\.5\.72\.1 dev eth0/);
    await cni.check(A);
    await cni.del(A);
    assert.throws(() => ip('netns', 'exec', A.id, 'ip', 'link', 'show', 'eth0'));
    assert.deepEqual([storedNames(), assigned()], [[], []]);
    await cni.del(A);
  });

  for (const cniVersion of ['0.3.1', '0.4.0', '1.1.0'])
    it(`supports version ${cniVersion} with a delegate of any version`, async () => {
      const cni = runtime({ cniVersion });
      assert.equal((await cni.add(A)).cniVersion, cniVersion);
      if (cniVersion !== '0.3.1') await cni.check(A);
      await cni.del(A);
      assert.deepEqual([storedNames(), assigned()], [[], []]);
    });

  it('runs under the name of flannel’s plugin, and removes its attachments', async () => {
    const cni = runtime({ plugin: { type: 'flannel' } });
    await cni.add(A);
    assert.deepEqual(storedNames(), [A.id]);
    const saved = JSON.parse(readFileSync(join(folder, 'data', A.id), 'utf8')) as { type: string };
    assert.equal(saved.type, 'bridge');
    writeFileSync(join(folder, 'subnet.env'), '');
    await cni.del(A);
    assert.deepEqual(assigned(), []);
  });

  it('keeps the interfaces of a container apart', async () => {
    const cni = runtime();
    const second = { ...A, ifname: 'net1' };
    await cni.add(A);
    await cni.add(second);
    await cni.del(second);
    assert.match(ip('netns', 'exec', A.id, 'ip', 'link', 'show', 'eth0'), /state UP/);
    assert.deepEqual(storedNames(), [A.id]);
  });

  it('asks the runtime to try again later without a subnet', async () => {
    rmSync(join(folder, 'subnet.env'));
    const { code, msg } = await failure(runtime().add(A));
    assert.equal(code, 11);
    assert.match(msg, /no \S+subnet\.env: this host has no subnet until weft daemon has leased one/);
    assert.deepEqual(storedNames(), []);
  });

  it('leaves nothing behind when the delegate fails', async () => {
    ip('-n', A.id, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth1');
    const { msg } = await failure(runtime().add(A));
    assert.match(msg, /^bridge: /);
    assert.deepEqual([storedNames(), assigned()], [[], []]);
  });

  it('keeps the first attachment when a container is added twice', async () => {
    const cni = runtime();
    await cni.add(A);
    assert.match((await failure(cni.add(A))).msg, /^bridge: /);
    assert.match(ip('netns', 'exec', A.id, 'ip', 'link', 'show', 'eth0'), /state UP/);
    assert.deepEqual(storedNames(), [A.id]);
  });

  it('names a missing plugin before any change', async () => {
    const { code, msg } = await failure(runtime({ path: '/nowhere' }).add(A));
    assert.equal(code, 100);
    assert.match(msg, /no plugin bridge in \/nowhere: install containernetworking-plugins/);
    assert.deepEqual(storedNames(), []);
  });

  it('detects a changed container', async () => {
    const cni = runtime();
    await cni.add(A);
    ip('netns', 'exec', A.id, 'ip', 'addr', 'flush', 'dev', 'eth0');
    assert.match((await failure(cni.check(A))).msg, /^bridge: /);
    assert.equal((await failure(cni.check(B))).code, 3);
  });

  it('detects a changed subnet of the host', async () => {
    const cni = runtime();
    await cni.add(A);
    writeFileSync(join(folder, 'subnet.env'), SUBNET_ENV.replaceAll('10.5.72', '10.5.73'));
    const { code, details } = await failure(cni.check(A));
    assert.equal(code, 102);
    assert.match(details!, /10\.5\.72\.0\/24.*10\.5\.73\.0\/24/);
    await cni.del(A);
    assert.deepEqual([storedNames(), assigned()], [[], []]);
  });

  it('removes only attachments that the runtime does not list', async () => {
    const cni = runtime({ cniVersion: '1.1.0' });
    await cni.add(A);
    await cni.add(B);
    await cni.gc([B]);
    assert.deepEqual(storedNames(), [B.id]);
    assert.deepEqual(assigned().toSorted(), ['10.5.72.3', 'fd00:0:0:1::3']);
    assert.match(ip('netns', 'exec', B.id, 'ip', 'link', 'show', 'eth0'), /state UP/);
  });

  it('rejects a GC without a list of attachments', async () => {
    const cni = runtime({ cniVersion: '1.1.0' });
    await cni.add(A);
    assert.equal((await failure(cni.gc())).code, 7);
    assert.deepEqual(storedNames(), [A.id]);
  });

  it('removes a container whose file is damaged', async () => {
    const cni = runtime();
    await cni.add(A);
    writeFileSync(join(folder, 'data', A.id), '{"cniVersion":');
    await cni.del(A);
    assert.deepEqual([storedNames(), assigned()], [[], []]);
  });

  /** What happens to a container's file, and what is left of the subnet file. */
  const damages: readonly [string, (file: string) => void][] = [
    ['is cut off', (file) => writeFileSync(file, '{"cniVersion":')],
    ['is empty', (file) => writeFileSync(file, '')],
    ['is no object', (file) => writeFileSync(file, '[1]')],
    ['is missing', (file) => rmSync(file)],
    ['is a folder', (file) => (rmSync(file), mkdirSync(join(file, 'more'), { recursive: true }))],
    [
      'cannot be reached',
      (file) => (rmSync(dirname(file), { recursive: true }), writeFileSync(dirname(file), '')),
    ],
  ];
  for (const [name, damage] of damages)
    for (const subnet of [SUBNET_ENV, 'FLANNEL_MTU=x\n', undefined])
      it(`DEL removes all of a container whose file ${name}, with subnet.env ${JSON.stringify(subnet?.slice(0, 14))}`, async () => {
        const cni = runtime();
        await cni.add(A);
        damage(join(folder, 'data', A.id));
        if (subnet === undefined) rmSync(join(folder, 'subnet.env'));
        else writeFileSync(join(folder, 'subnet.env'), subnet);
        await cni.del(A);
        assert.throws(() => ip('netns', 'exec', A.id, 'ip', 'link', 'show', 'eth0'));
        assert.deepEqual(assigned(), []);
        assert.equal(existsSync(join(folder, 'data', A.id)), false);
        await cni.del(A);
      });

  it('DEL of an unknown container succeeds without subnet and plugins', async () => {
    rmSync(join(folder, 'subnet.env'));
    await runtime({ path: '/nowhere' }).del(A);
  });

  for (const [name, damage] of damages.slice(0, 3).concat(damages.slice(4, 5)))
    for (const subnet of [SUBNET_ENV, undefined])
      it(`GC releases the addresses of a container whose file ${name}, ${subnet === undefined ? 'without' : 'with'} subnet.env`, async () => {
        const cni = runtime({ cniVersion: '1.1.0' });
        await cni.add(A);
        await cni.add(B);
        damage(join(folder, 'data', A.id));
        if (subnet === undefined) rmSync(join(folder, 'subnet.env'));
        await cni.gc([B]);
        assert.deepEqual(storedNames(), [B.id]);
        assert.deepEqual(assigned().toSorted(), ['10.5.72.3', 'fd00:0:0:1::3']);
      });

  it('GC spares a damaged file that names another network, and one of a listed container', async () => {
    const cni = runtime({ cniVersion: '1.1.0' });
    await cni.add(A);
    writeFileSync(join(folder, 'data', A.id), '{');
    writeFileSync(join(folder, 'data', 'other'), '{"cniVersion":"1.0.0","name":"lan","type":"br');
    await cni.gc([A]);
    assert.deepEqual(storedNames().toSorted(), ['other', A.id].toSorted());
    assert.equal(assigned().length, 2);
  });

  it('ADD replaces a folder in place of its file', async () => {
    for (const name of [A.id, `.${A.id}.weft`]) mkdirSync(join(folder, 'data', name), { recursive: true });
    const cni = runtime();
    await cni.add(A);
    await cni.del(A);
    assert.deepEqual([storedNames(), assigned()], [[], []]);
  });

  it('reports by STATUS whether ADD would work', async () => {
    await runtime({ cniVersion: '1.1.0' }).status();
    assert.equal((await failure(runtime({ cniVersion: '1.1.0', path: '/nowhere' }).status())).code, 50);
    rmSync(join(folder, 'subnet.env'));
    assert.equal((await failure(runtime({ cniVersion: '1.1.0' }).status())).code, 50);
  });

  const rejected: readonly [string, Record<string, string>, RegExp][] = [
    ['an unknown command', { CNI_COMMAND: 'add' }, /CNI_COMMAND is "add": give ADD, DEL/],
    ['no container', { CNI_COMMAND: 'ADD' }, /CNI_CONTAINERID is "": give a value/],
    [
      'a container that is a path',
      { CNI_COMMAND: 'DEL', CNI_CONTAINERID: '../x', CNI_IFNAME: 'eth0' },
      /CNI_CONTAINERID is "\.\.\/x"/,
    ],
    [
      'an interface that cannot be',
      { CNI_COMMAND: 'DEL', CNI_CONTAINERID: 'x', CNI_IFNAME: 'a/b' },
      /CNI_IFNAME is "a\/b"/,
    ],
    ['no namespace', { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'x', CNI_IFNAME: 'eth0' }, /CNI_NETNS is ""/],
  ];
  for (const [name, environment, message] of rejected)
    it(`rejects ${name}`, async () => {
      const { code, stdout } = await execute({
        type: 'weft-cni',
        environment,
        input: '{"cniVersion":"1.0.0"}',
      });
      const answer = JSON.parse(stdout) as { cniVersion: string; code: number; msg: string };
      assert.deepEqual([code, answer.cniVersion, answer.code], [1, '1.0.0', 4]);
      assert.match(answer.msg, message);
    });

  it('answers VERSION in the version of the request', async () => {
    const environment = { CNI_COMMAND: 'VERSION' };
    const { stdout } = await execute({ type: 'weft-cni', environment, input: '{"cniVersion":"0.4.0"}' });
    const answer = JSON.parse(stdout) as { cniVersion: string; supportedVersions: string[] };
    assert.equal(answer.cniVersion, '0.4.0');
    assert.ok(answer.supportedVersions.includes('1.1.0'));
  });
});
