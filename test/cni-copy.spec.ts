// `weft cni copy` onto a host that has nothing: no Node, no libraries, no shell. The image is played by
// this machine's Node, its libraries and Debian's plugins.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { machine, tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyPlugins, type PluginSources } from '../containers/cni/copy.ts';
import { pluginFilesIn } from '../daemon/cni/plugin-files.ts';
import { packageRoot } from '../lab/package-root.ts';

const PLUGINS = ['bridge', 'host-local', 'portmap'];

describe('weft cni copy', () => {
  let image: string;
  let host: string;
  let binDir: string;
  let sources: PluginSources;

  before(() => {
    image = mkdtempSync(join(tmpdir(), 'weft-cni-image-'));
    const launcher = join(image, 'cni-launcher');
    copyFileSync(join(packageRoot(), 'native/build/cni-launcher'), launcher);
    const script = join(image, 'weft-cni.cjs');
    copyFileSync(join(packageRoot(), 'dist/weft-cni.cjs'), script);
    const plugins = PLUGINS.map((name) => `/usr/lib/cni/${name}`);
    const needed = execFileSync('ldd', [process.execPath, ...plugins], { encoding: 'utf8' });
    const paths = [...new Set([...needed.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path!))];
    const loader = paths.find((path) => path.includes('/ld-linux'))!;
    const libraries = paths.filter((path) => path !== loader);
    sources = { machine: machine(), launcher, loader, libraries, node: process.execPath, script, plugins };
  });
  // One host for all, as each copy has the size of Node. It has files of others, and an older plugin.
  before(() => {
    host = mkdtempSync(join(tmpdir(), 'weft-cni-host-'));
    binDir = join(host, 'opt/cni/bin');
  });
  after(() => [image, host].forEach((folder) => rmSync(folder, { recursive: true })));

  const changes = (): Record<string, string> =>
    Object.fromEntries(
      copyPlugins({ sources, binDir }).map(({ change, path }) => [
        path.slice(binDir.length + 1).slice(0, 12),
        change,
      ]),
    );
  /** Runs a plugin where nothing but its folder is. */
  const start = (name: string, env: Readonly<Record<string, string>> = {}) =>
    spawnSync('chroot', [host, `/opt/cni/bin/${name}`], {
      env: { CNI_COMMAND: 'VERSION', PATH: process.env['PATH'], ...env },
      input: '{"cniVersion":"1.0.0","name":"x"}',
      encoding: 'utf8',
    });

  it('refuses another architecture before it changes anything', () => {
    assert.throws(
      () => copyPlugins({ sources, binDir, machine: machine() === 'x86_64' ? 'aarch64' : 'x86_64' }),
      {
        code: 'CNI_INSTALL_FAILED',
        message: /is not for this host, which is \S+, but for \S+: use the image for this architecture/,
      },
    );
    assert.equal(existsSync(binDir), false);
  });

  it('installs nothing that does not start', () => {
    const broken = join(image, 'broken.cjs');
    writeFileSync(broken, 'throw new Error("broken")');
    chmodSync(broken, 0o755);
    assert.throws(() => copyPlugins({ sources: { ...sources, script: broken }, binDir }), {
      message: /The plugin does not start on this host: .*broken/s,
    });
    assert.deepEqual(
      readdirSync(binDir).filter((name) => name.startsWith('.weft')),
      [],
    );
  });

  it('leaves files of other programs as they are, and replaces its own older ones', () => {
    mkdirSync(binDir, { recursive: true });
    writeFileSync(join(binDir, 'portmap'), 'of another program');
    writeFileSync(join(binDir, 'flannel'), 'of flannel');
    writeFileSync(join(binDir, 'weft-cni'), "#!/usr/bin/node\n'use strict'; // weft-cni\n");
    const found = changes();
    assert.deepEqual([found['portmap'], found['weft-cni'], found['bridge']], ['foreign', 'copied', 'copied']);
    assert.equal(readFileSync(join(binDir, 'portmap'), 'utf8'), 'of another program');
    const own = pluginFilesIn(binDir).map((path) => path.slice(binDir.length + 1));
    assert.deepEqual(own.filter((name) => !name.startsWith('.weft-')).toSorted(), [
      '.weft',
      'bridge',
      'host-local',
      'weft-cni',
    ]);
  });

  it('installs plugins that run without anything of the host', () => {
    for (const name of ['weft-cni', 'bridge', 'host-local']) {
      // The environment of a runtime is for programs of its host.
      const { stdout, stderr } = start(name, { LD_LIBRARY_PATH: '/nowhere', NODE_OPTIONS: '--nonsense' });
      assert.match(stdout, /"supportedVersions":\[/, `${name}: ${stderr}`);
    }
  });

  it('reaches the delegate, whose launcher is beside it', () => {
    mkdirSync(join(host, 'run/flannel'), { recursive: true });
    writeFileSync(
      join(host, 'run/flannel/subnet.env'),
      'FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n',
    );
    const names = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'c1', CNI_IFNAME: 'eth0', CNI_NETNS: '/none' };
    const { stdout } = start('weft-cni', { ...names, CNI_PATH: '/opt/cni/bin' });
    // bridge itself reports that there is no such namespace.
    assert.match(stdout, /bridge: failed to open netns .*\/none/);
  });

  it('changes nothing the second time, and replaces the version when a file differs', () => {
    const before = readlinkSync(join(binDir, '.weft'));
    const { ino } = statSync(join(binDir, 'weft-cni'));
    assert.deepEqual(new Set(Object.values(changes())), new Set(['current', 'foreign']));
    assert.equal(statSync(join(binDir, 'weft-cni')).ino, ino);
    writeFileSync(sources.script, `${readFileSync(sources.script, 'utf8')}\n// another version\n`);
    copyPlugins({ sources, binDir });
    const after = readlinkSync(join(binDir, '.weft'));
    assert.notEqual(after, before);
    assert.match(start('weft-cni').stdout, /supportedVersions/);
    // A plugin that has just started may still read the former version; the next copy removes it.
    const versions = (): string[] => readdirSync(binDir).filter((name) => name.startsWith('.weft-'));
    assert.deepEqual(versions().toSorted(), [before, after].toSorted());
    copyPlugins({ sources, binDir });
    assert.deepEqual(versions(), [after]);
  });

  it('answers with an error of CNI when its folder is gone', () => {
    rmSync(join(binDir, '.weft'));
    const { status, stdout } = start('weft-cni');
    assert.equal(status, 1);
    const { code, msg } = JSON.parse(stdout) as { code: number; msg: string };
    assert.equal(code, 5);
    assert.match(msg, /cannot read \/opt\/cni\/bin\/\.weft: No such file.*restart the pod of weft/);
  });
});
