// An older Node, as Debian 12 has it, says in one line which Node weft needs.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../lab/package-root.ts';

const OLD = `Object.defineProperty(process, 'version', { value: 'v18.20.4' });
Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.4' } });
delete Array.prototype.toSorted;`;

describe('weft under an older Node', function () {
  this.timeout(20_000);
  let folder: string;
  let node: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-node-'));
    node = join(folder, 'node');
    writeFileSync(join(folder, 'old.cjs'), OLD);
    // Node 18 rejects flags that came later.
    const script = `#!/bin/sh
case "$*" in *--disable-warning*) echo "node: bad option: --disable-warning" >&2; exit 9 ;; esac
exec ${process.execPath} -r ${join(folder, 'old.cjs')} "$@"
`;
    writeFileSync(node, script);
    chmodSync(node, 0o755);
  });
  after(() => rmSync(folder, { recursive: true }));

  const LINE = /^weft needs Node 20\.19 or newer, and \S+ is v18\.20\.4: set WEFT_NODE to a newer one\n$/;
  for (const command of ['status', 'daemon', 'config get', 'lab list', 'version', 'bench --help'])
    it(`says so in one line: ${command}`, () => {
      const env = { ...process.env, WEFT_NODE: node };
      const weft = join(packageRoot(), 'bin/weft');
      const { status, stdout, stderr } = spawnSync(weft, command.split(' '), { env, encoding: 'utf8' });
      assert.match(stderr, LINE);
      assert.deepEqual([status, stdout], [1, '']);
    });

  it('says so in one line where there is none', () => {
    const env = { ...process.env, WEFT_NODE: join(folder, 'absent') };
    const { status, stderr } = spawnSync(join(packageRoot(), 'bin/weft'), ['status'], {
      env,
      encoding: 'utf8',
    });
    assert.match(
      stderr,
      /^weft needs Node 20\.19 or newer, and there is no \S+absent: install it, or set WEFT_NODE to one\n$/,
    );
    assert.equal(status, 1);
  });

  it('uses the one that lies beside it, unless WEFT_NODE names another', () => {
    const bin = join(folder, 'installed/bin');
    mkdirSync(bin, { recursive: true });
    copyFileSync(join(packageRoot(), 'bin/weft'), join(bin, 'weft'));
    writeFileSync(join(folder, 'installed/weft.mjs'), 'console.log(process.argv0);');
    symlinkSync(process.execPath, join(bin, 'node'));
    const argv0 = (env: NodeJS.ProcessEnv) =>
      spawnSync(join(bin, 'weft'), ['version'], {
        env: { PATH: process.env['PATH'], ...env },
        encoding: 'utf8',
      }).stdout;
    assert.equal(argv0({}), `${bin}/node\n`);
    assert.equal(argv0({ WEFT_NODE: process.execPath }), `${process.execPath}\n`);
  });

  it('says so in one line: weft-cni', () => {
    const { status, stderr } = spawnSync(node, [join(packageRoot(), 'dist/weft-cni.cjs')], {
      encoding: 'utf8',
    });
    assert.match(stderr, LINE);
    assert.equal(status, 1);
  });
});
