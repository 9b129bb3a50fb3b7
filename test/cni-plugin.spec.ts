// weft-cni as a program, called as a runtime does, with Debian's bridge and host-local as delegates
// and network namespaces as containers. Every case holds of the plugin in JavaScript, which starts
// where no daemon answers, and of the answers of a daemon.
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
import { createServer, type Server } from 'node:http';
import { serveCni } from '../containers/cni/session.ts';
import { startControlServer, type ControlServer } from '../daemon/control/server.ts';
import type { ControlledNode } from '../daemon/control/endpoint.ts';
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

/** The daemon's one has no plugin in JavaScript to fall back to. */
const PROGRAMS = [
  { name: 'weft-cni without a daemon', program: 'dist/weft-cni', hasDaemon: false },
  { name: 'weft-cni with a daemon', program: 'native/build/cni-client', hasDaemon: true },
] as const;

for (const { name: title, program, hasDaemon } of PROGRAMS)
  describe(title, () => {
    let folder = '';
    let control: ControlServer | undefined;
    const socketFolder = mkdtempSync(join(tmpdir(), 'weft-cni-socket-'));
    const socket = join(socketFolder, 'weft.sock');

    before(async () => {
      if (hasDaemon)
        control = await startControlServer(
          socket,
          {} as ControlledNode,
          () => assert.fail('not asked'),
          serveCni,
        );
    });
    after(async () => {
      await control?.stop();
      rmSync(socketFolder, { recursive: true });
    });

    before(() => mkdirSync('/run/netns', { recursive: true }));
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'weft-cni-'));
      mkdirSync(join(folder, 'bin'));
      for (const name of ['weft-cni', 'flannel'])
        symlinkSync(join(packageRoot(), program), join(folder, 'bin', name));
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
        const env = { PATH: process.env['PATH'], WEFT_SOCKET: socket, ...environment };
        const child = execFile(file, { env, maxBuffer: 8 << 20 }, (error, stdout, stderr) =>
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

    it('connects several containers at once', async () => {
      const containers = ['c1', 'c2', 'c3', 'c4', 'c5'].map((id) => ({
        id: `weft-${id}`,
        netns: `/run/netns/weft-${id}`,
      }));
      for (const { id } of containers) ip('netns', 'add', id);
      const cni = runtime();
      try {
        const results = await Promise.all(containers.map((container) => cni.add(container)));
        assert.equal(new Set(results.map(({ ips }) => ips[0]!.address)).size, containers.length);
        await Promise.all(containers.map((container) => cni.del(container)));
        assert.deepEqual([storedNames(), assigned()], [[], []]);
      } finally {
        for (const { id } of containers) ip('netns', 'del', id);
      }
    });

    it('answers a broken state folder with the error of the file system', async () => {
      writeFileSync(join(folder, 'data'), '');
      const { code, msg } = await failure(runtime().add(A));
      assert.deepEqual([code, msg], [5, `EEXIST: file already exists, mkdir '${join(folder, 'data')}'`]);
    });

    it('answers a subnet file that cannot be read', async () => {
      rmSync(join(folder, 'subnet.env'));
      mkdirSync(join(folder, 'subnet.env'));
      const { code, msg } = await failure(runtime().add(A));
      assert.deepEqual(
        [code, msg],
        [5, `Cannot read ${join(folder, 'subnet.env')}: EISDIR: illegal operation on a directory, read`],
      );
    });

    for (const [what, script, message] of [
      ['is ended', 'kill -9 $$', 'bridge ended with SIGKILL and no answer'],
      ['prints too much', 'exec yes', 'bridge ended with SIGTERM and no answer'],
      [
        'prints too much, and succeeds',
        "trap '' TERM PIPE; yes | head -c 1048577 2>&-; exit 0",
        'Cannot run BRIDGE: spawnSync BRIDGE ENOBUFS',
      ],
      ['does not read', 'exec <&-; printf oops; exit 8', 'bridge ended with exit code 8 and no answer'],
    ] as const)
      it(`answers a delegate that ${what}`, async () => {
        mkdirSync(join(folder, 'plugins'));
        for (const name of ['bridge', 'host-local'])
          writeFileSync(join(folder, 'plugins', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
        const { code, msg } = await failure(runtime({ path: join(folder, 'plugins') }).add(A));
        const named = msg.replaceAll(join(folder, 'plugins/bridge'), 'BRIDGE');
        assert.deepEqual([code, named], [101, message]);
      });

    it('answers a parent that ignores the end of its children', async () => {
      const path = join(folder, 'bin/weft-cni');
      rmSync(path);
      const other = join(folder, 'bin/flannel');
      writeFileSync(path, `#!/bin/sh\nexec env --ignore-signal=CHLD ${other}\n`, { mode: 0o755 });
      const cni = runtime();
      await cni.add(A);
      await cni.del(A);
      assert.deepEqual([storedNames(), assigned()], [[], []]);
    });

    it('answers a delegate that cannot start', async () => {
      mkdirSync(join(folder, 'plugins'));
      for (const name of ['bridge', 'host-local'])
        writeFileSync(join(folder, 'plugins', name), '#!/no/interpreter\n', { mode: 0o755 });
      const file = join(folder, 'plugins/bridge');
      const { code, msg } = await failure(runtime({ path: join(folder, 'plugins') }).add(A));
      assert.deepEqual([code, msg], [101, `Cannot run ${file}: spawnSync ${file} ENOENT`]);
    });
  });

describe('weft-cni beside something else than its daemon', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-cni-other-'));
  after(() => rmSync(folder, { recursive: true }));

  const version = (WEFT_SOCKET: string) =>
    new Promise<string>((resolve) => {
      const env = { PATH: process.env['PATH'], WEFT_SOCKET, CNI_COMMAND: 'VERSION' };
      const child = execFile(join(packageRoot(), 'dist/weft-cni'), { env }, (_error, stdout) =>
        resolve(stdout),
      );
      child.stdin!.end('{"cniVersion":"0.4.0"}');
    });
  /** A listener in place of a daemon. */
  const listening = async (server: Server, name: string): Promise<string> => {
    const path = join(folder, name);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return version(path).finally(() => (server.close(), server.closeAllConnections()));
  };

  it('falls back where the socket is none', async () => {
    writeFileSync(join(folder, 'file'), '');
    for (const path of ['/nowhere/x', join(folder, 'file'), `/${'x'.repeat(200)}`])
      assert.match(await version(path), /^\{"cniVersion":"0\.4\.0","supportedVersions"/, path);
  });

  it('falls back from an older daemon, which knows no such request', async () => {
    const older = createServer((_request, response) => response.writeHead(404).end());
    assert.match(await listening(older, 'older'), /supportedVersions/);
  });

  it('falls back from a daemon that does not answer, or answers with something else', async () => {
    assert.match(
      await listening(
        createServer(() => undefined),
        'silent',
      ),
      /supportedVersions/,
    );
    const other = createServer().on('upgrade', (_request, socket) =>
      socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n\xff\xff\xff\xff nonsense'),
    );
    assert.match(await listening(other, 'other'), /supportedVersions/);
  });

  it('falls back with a network config that is too long for the daemon', async () => {
    const input = JSON.stringify({ cniVersion: '0.4.0', filler: 'x'.repeat(3 << 20) });
    const stdout = execFileSync(join(packageRoot(), 'dist/weft-cni'), {
      env: { PATH: process.env['PATH'], CNI_COMMAND: 'VERSION' },
      input,
      encoding: 'utf8',
    });
    assert.match(stdout, /^\{"cniVersion":"0\.4\.0"/);
  });
});
