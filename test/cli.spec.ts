// The real program as a child process: exit codes, streams, names and links. No etcd, no kernel.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CLIENT_COMMANDS } from '../cli/client-commands.ts';
import { packageRoot } from '../lab/package-root.ts';

/** Folder of this suite's compiled files. */
const COMPILED = fileURLToPath(new URL('..', import.meta.url));

describe('weft as a program', function () {
  let folder = '';
  before(() => {
    // An installed package with the current `dist`, and links to it from another folder.
    folder = mkdtempSync(join(tmpdir(), 'weft-cli-'));
    const root = packageRoot();
    mkdirSync(join(folder, 'package'));
    for (const name of ['bin', 'package.json'])
      cpSync(join(root, name), join(folder, 'package', name), { recursive: true });
    symlinkSync(COMPILED, join(folder, 'package/dist'));
    symlinkSync(join(folder, 'package/bin/weft'), join(folder, 'weft'));
    symlinkSync('package/bin/flanneld', join(folder, 'flanneld'));
    mkdirSync(join(folder, 'renamed'));
    symlinkSync(join(folder, 'weft'), join(folder, 'renamed/flanneld'));
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  function run(program: string, argv: readonly string[], env: Record<string, string> = {}) {
    const options = { encoding: 'utf8', env: { PATH: process.env['PATH'], ...env } } as const;
    const { status, stdout, stderr } = spawnSync(join(folder, program), argv, options);
    return { status, stdout, stderr };
  }

  it('starts client commands from their own bundle', () => {
    const [, names = ''] =
      /^ {2}(.+)\)\n.*\$client/m.exec(readFileSync(join(folder, 'package/bin/weft'), 'utf8')) ?? [];
    assert.deepEqual(names.split(' | '), Object.keys(CLIENT_COMMANDS));
    const { status, stderr } = run('weft', ['status', '--socket', '/nonexistent']);
    assert.deepEqual([status, stderr.split(':')[1]], [3, ' No weft daemon on this host']);
    assert.doesNotMatch(readFileSync(join(COMPILED, 'weft-client.cjs'), 'utf8'), /node:http|etcd3/);
  });

  const cases: readonly (readonly [
    string,
    readonly string[],
    number,
    RegExp,
    RegExp,
    Record<string, string>?,
  ])[] = [
    ['weft', [], 2, /^$/, /What next\?[^]*weft lab run/],
    ['weft', ['help'], 0, /^ {2}daemon +lease/m, /^$/],
    ['weft', ['--help'], 0, /^ {2}status +show the health/m, /^$/],
    ['weft', ['version'], 0, /^weft \d+\.\d+\.\d+ \(flannel-compatible\)\n$/, /^$/],
    ['weft', ['--version'], 0, /^weft \d/, /^$/],
    [
      'weft',
      ['doctor', '--only', 'paht-mtu'],
      2,
      /^$/,
      /^weft: --only "paht-mtu": unknown check; did you mean path-mtu\?/,
    ],
    ['weft', ['deamon'], 2, /^$/, /^weft: "deamon" is no command; did you mean weft daemon\?\n$/],
    ['weft', ['__proto__'], 2, /^$/, /is no command; weft help lists/],
    ['weft', ['--iface=eth0'], 2, /^$/, /weft daemon --iface\n$/],
    ['weft', ['schema'], 0, /^\{\n {2}"\$schema"/, /^$/],
    ['weft', ['schema', 'x'], 2, /^$/, /^weft: weft schema takes no further argument, got "x"; [^\n]*\n$/],
    [
      'weft',
      ['config', 'sett'],
      2,
      /^$/,
      /^weft: weft config "sett": give one of [^\n]*did you mean set\?\n$/,
    ],
    ['weft', ['config', 'set'], 2, /^$/, /^weft: weft config set needs a file, or - for standard input/],
    ['weft', ['config', 'get', 'x'], 2, /^$/, /^weft: weft config get takes no further argument, got "x"\n$/],
    ['weft', ['config', 'rollback', 'x'], 2, /^$/, /^weft: weft config rollback "x": must be the revision/],
    [
      'weft',
      ['config', 'get', '--etcd-endpoints', 'http://127.0.0.1:1,http://127.0.0.1:2'],
      1,
      /^$/,
      /127\.0\.0\.1:2 \(REGISTRY_UNAVAILABLE\); name etcd with --etcd-endpoints [^\n]*weft doctor\n$/,
    ],
    ['weft', ['lab', 'nope'], 2, /^$/, /^weft: [^\n]*nope[^\n]*\n$/],
    ['weft', ['daemon', '--help'], 0, /--etcd-endpoints=TEXT[^]*FLANNELD_ETCD_ENDPOINTS/, /^$/],
    ['weft', ['daemon', '--iface'], 2, /^$/, /^weft: --iface needs a value[^\n]*\nweft: see --help/],
    ['flanneld', ['--version'], 0, /^$/, /^weft \d/],
    ['flanneld', ['-h'], 0, /--iface/, /^$/],
    ['renamed/flanneld', ['--version'], 0, /^$/, /^weft \d/],
    [
      'flanneld',
      ['--subnet-lease-renew-margin=1440'],
      2,
      /^$/,
      /^weft: --subnet-lease-renew-margin="1440": [^\n]*\n[^\n]*\n$/,
    ],
    ['flanneld', ['--kube-subnet-mgr'], 2, /^$/, /environment names no node; set NODE_NAME/],
    ['flanneld', ['--x', '--y'], 2, /^$/, /^weft: --x: [^\n]*\nweft: --y: [^\n]*\nweft: see --help[^\n]*\n$/],
    [
      'flanneld',
      [],
      2,
      /^$/,
      /^weft: FLANNELD_HEALTHZ_PORT="http": must be/,
      { FLANNELD_HEALTHZ_PORT: 'http' },
    ],
  ];
  for (const [program, argv, code, stdout, stderr, env] of cases)
    it(`${program} ${argv.join(' ')}${env ? ` with ${Object.keys(env).join()}` : ''} exits with ${code}`, () => {
      const result = run(program, argv, env);
      assert.equal(result.status, code, result.stderr);
      assert.match(result.stdout, stdout);
      assert.match(result.stderr, stderr);
    });
});

describe('bin/weft in a working copy', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-copy-'));
    for (const part of ['bin', 'dist', 'native/build']) mkdirSync(join(folder, part), { recursive: true });
    cpSync(join(packageRoot(), 'bin/weft'), join(folder, 'bin/weft'));
    writeFileSync(join(folder, 'bin/start.mjs'), "console.log('files')");
    writeFileSync(join(folder, 'dist/weft.mjs'), "console.log('bundle')");
  });
  after(() => rmSync(folder, { recursive: true }));

  const times = ['dist/.bundled', 'dist/.built', 'native/build/weft.node'] as const;
  for (const [what, seconds, expected] of [
    ['takes a bundle of its files and addon', [3, 1, 2], 'bundle'],
    ['takes the files if they were built after the bundle', [2, 3, 1], 'files'],
    ['takes the files if the addon was built after the bundle', [2, 1, 3], 'files'],
  ] as const)
    it(what, () => {
      for (const [index, name] of times.entries()) {
        writeFileSync(join(folder, name), '');
        utimesSync(join(folder, name), seconds[index]!, seconds[index]!);
      }
      const { stdout } = spawnSync(join(folder, 'bin/weft'), ['version'], { encoding: 'utf8' });
      assert.equal(stdout, `${expected}\n`);
    });
});
