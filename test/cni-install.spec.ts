// `weft cni install` as a program, with Debian's plugins in a folder of its own.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../lab/package-root.ts';

const PLUGINS = '/usr/lib/cni';

describe('weft cni install', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-cni-install-'));
    mkdirSync(join(folder, 'bin'));
    for (const name of ['bridge', 'host-local', 'portmap'])
      symlinkSync(join(PLUGINS, name), join(folder, 'bin', name));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const conf = (name = '10-weft.conflist') => join(folder, 'net.d', name);
  function run(...args: readonly string[]) {
    const folders = ['--conf-dir', join(folder, 'net.d'), '--bin-dir', join(folder, 'bin')];
    const program = join(packageRoot(), 'bin/weft');
    return spawnSync(program, ['cni', 'install', ...folders, ...args], { encoding: 'utf8' });
  }

  it('writes a plugin that runs without PATH, and a conflist that names it', () => {
    const { status, stdout, stderr } = run();
    assert.deepEqual([status, stderr], [0, '']);
    assert.equal(stdout, `writing ${folder}/bin/weft-cni\nwriting ${conf()}\n`);
    assert.deepEqual(JSON.parse(readFileSync(conf(), 'utf8')), {
      cniVersion: '1.0.0',
      name: 'weft',
      plugins: [
        { type: 'weft-cni', delegate: { hairpinMode: true, isDefaultGateway: true } },
        { type: 'portmap', capabilities: { portMappings: true } },
      ],
    });
    const env = { CNI_COMMAND: 'VERSION', PATH: '' };
    const answer = spawnSync(join(folder, 'bin/weft-cni'), [], { env, input: '{}', encoding: 'utf8' });
    assert.match(answer.stdout, /"supportedVersions":\[/, answer.stderr);
    assert.deepEqual(readdirSync(join(folder, 'net.d')), ['10-weft.conflist']);
  });

  it('leaves current files unchanged', () => {
    run();
    const written = statSync(conf()).mtimeMs;
    assert.match(run().stdout, /^unchanged .*\nunchanged .*\n$/);
    assert.equal(statSync(conf()).mtimeMs, written);
  });

  it('replaces flannel’s plugin only with --force', () => {
    const args = ['--type', 'flannel', '--file', '10-flannel.conflist', '--name', 'cbr0', '--no-portmap'];
    writeFileSync(join(folder, 'bin/flannel'), 'another program');
    const { status, stderr } = run(...args);
    assert.equal(status, 1);
    assert.match(stderr, /bin\/flannel exists and differs from weft's file: .*--force\n$/);
    assert.ok(!existsSync(conf('10-flannel.conflist')) && !existsSync(join(folder, 'bin/weft-cni')));
    assert.equal(run(...args, '--force').status, 0);
    const { name, plugins } = JSON.parse(readFileSync(conf('10-flannel.conflist'), 'utf8')) as {
      name: string;
      plugins: { type: string }[];
    };
    assert.deepEqual([name, plugins.map(({ type }) => type)], ['cbr0', ['flannel']]);
    const written = readFileSync(join(folder, 'bin/flannel'));
    assert.deepEqual(written, readFileSync(join(folder, 'bin/weft-cni')));
    // The plugin in JavaScript, behind the program that has the daemon answer.
    assert.match(written.toString('latin1'), /^\x7fELF[^]*#!\//);
  });

  it('prints the changes with --dry-run', () => {
    const { status, stdout } = run('--dry-run', '--subnet-file', '/run/x.env', '--data-dir', '/run/x');
    assert.equal(status, 0);
    assert.match(stdout, /^would write .*\nwould write .*\n\n\{/);
    assert.match(stdout, /"subnetFile": "\/run\/x\.env",\s+"dataDir": "\/run\/x"/);
    assert.deepEqual([existsSync(conf()), existsSync(join(folder, 'bin/weft-cni'))], [false, false]);
  });

  it('warns of conflists that a runtime takes first, and of broken ones', () => {
    mkdirSync(join(folder, 'net.d'));
    writeFileSync(conf('05-other.conflist'), '{"name":"other","plugins":[{"type":"ptp"}]}');
    writeFileSync(conf('90-broken.conf'), '{"name":');
    writeFileSync(conf('99-last.conf'), '{"name":"last","type":"ptp"}');
    const { status, stderr } = run();
    assert.equal(status, 0);
    const lines = stderr.trim().split('\n');
    assert.equal(lines.length, 2, stderr);
    assert.match(lines[0]!, /05-other\.conflist comes before 10-weft\.conflist/);
    assert.match(lines[1]!, /90-broken\.conf is not JSON/);
  });

  it('names the plugins that are missing', () => {
    rmSync(join(folder, 'bin/portmap'));
    const { status, stderr } = run();
    assert.equal(status, 1);
    assert.match(
      stderr,
      /^weft: There is no portmap in \S+: install containernetworking-plugins, or name .*--bin-dir\n$/,
    );
    assert.equal(run('--no-portmap').status, 0);
  });

  it('uses no version that portmap does not support', () => {
    writeFileSync(join(folder, 'portmap'), '#!/bin/sh\necho \'{"supportedVersions":["0.4.0"]}\'\n', {
      mode: 0o755,
    });
    rmSync(join(folder, 'bin/portmap'));
    symlinkSync('../portmap', join(folder, 'bin/portmap'));
    assert.match(run('--cni-version', '1.1.0').stderr, /portmap does not support CNI version 1\.1\.0/);
    assert.equal(run().status, 0);
    assert.match(readFileSync(conf(), 'utf8'), /"cniVersion": "0\.4\.0"/);
  });

  for (const [args, message] of [
    [['--file', '../x.conflist'], /--file \.\.\/x\.conflist: give a name that ends in \.conflist/],
    [['--name', 'a b'], /--name a b: give letters/],
    [['--type', 'bridge'], /--type "bridge": give one of weft-cni, flannel/],
  ] as const)
    it(`rejects ${args.join(' ')}`, () => {
      const { status, stderr } = run(...args);
      assert.equal(status, 2);
      assert.match(stderr, message);
    });
});
