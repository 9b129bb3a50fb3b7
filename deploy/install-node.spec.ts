// Which Node a build takes. `npm` and the old Node are scripts: nothing is downloaded.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../lab/package-root.ts';

describe('deploy/install-node.sh', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-node-'));
    for (const file of [
      'deploy/install-node.sh',
      'deploy/fetch-node.sh',
      'deploy/install-tools.sh',
      'bin/check-node.mjs',
    ])
      cpSync(join(packageRoot(), file), join(folder, file));
    mkdirSync(join(folder, 'path'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function run(programs: Readonly<Record<string, string>>) {
    for (const [name, script] of Object.entries(programs)) {
      writeFileSync(join(folder, 'path', name), `#!/bin/sh\n${script}\n`);
      chmodSync(join(folder, 'path', name), 0o755);
    }
    const env = { PATH: `${join(folder, 'path')}:${process.env['PATH']}` };
    return spawnSync(join(folder, 'deploy/install-node.sh'), [], { env, encoding: 'utf8' });
  }

  const NEW = { node: `exec ${process.execPath} "$@"` };
  const OLD = { node: 'exit 1' };
  const intoFolder = (command: string) => `while [ "$1" != --pack-destination ]; do shift; done; ${command}`;

  it('takes the one in PATH if it is new enough', () => {
    const { status, stdout } = run({ ...NEW, npm: 'exit 99' });
    assert.deepEqual([status, stdout], [0, '']);
    assert.ok(!existsSync(join(folder, '.build')));
  });

  it('keeps no archive with another sum', () => {
    const npm = intoFolder('name=${3%@*}; echo other >"$2/$name-${3##*@}.tgz"');
    const { status, stderr } = run({ ...OLD, npm });
    assert.match(stderr, /^node-linux-\S+\.tgz from the npm registry is not the one that weft knows/m);
    assert.equal(status, 1);
    const left = spawnSync('ls', ['-A', join(folder, '.build')], { encoding: 'utf8' });
    assert.equal(left.stdout, '');
  });

  it('says what to do if the registry cannot be had', () => {
    const { status, stderr } = run({ ...OLD, npm: 'echo "npm error network" >&2; exit 1' });
    assert.match(
      stderr,
      /^npm error network\nCannot fetch node-linux-\S+ from the npm registry: install Node 20\.19 or later/,
    );
    assert.equal(status, 1);
  });

  it('names a processor that the registry has no Node for', () => {
    const { status, stderr } = run({ ...OLD, npm: 'exit 99', uname: 'echo riscv64' });
    assert.match(
      stderr,
      /^The npm registry has no Node for 'riscv64' that weft knows: install Node 20\.19 or later$/m,
    );
    assert.equal(status, 1);
  });
});
