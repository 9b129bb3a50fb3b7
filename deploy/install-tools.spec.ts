import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../lab/package-root.ts';

describe('deploy/install-tools.sh', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'weft-tools-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Puts `programs`, each a shell script, before all others. */
  function run(programs: Readonly<Record<string, string>>, ...args: readonly string[]) {
    for (const [name, script] of Object.entries(programs)) {
      writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`);
      chmodSync(join(folder, name), 0o755);
    }
    const env = { PATH: `${folder}:${process.env['PATH']}`, CALLS: join(folder, 'calls') };
    return spawnSync(join(packageRoot(), 'deploy/install-tools.sh'), args, { env, encoding: 'utf8' });
  }

  const user = { id: 'echo 1000' };
  const apt = { 'apt-get': 'exit 0' };
  for (const [what, sudo] of [
    ['asks for a password', 'echo "sudo: a password is required" >&2; exit 1'],
    ['is not there', 'exit 127'],
  ] as const)
    it(`names what is missing to an ordinary user whose sudo ${what}`, () => {
      const { status, stderr } = run({ ...user, ...apt, sudo }, 'weft-no-such-tool', 'nft-of-weft');
      assert.equal(status, 1);
      assert.match(stderr, /run as root: apt-get update && apt-get install weft-no-such-tool nft-of-weft$/m);
    });

  it('names what is missing if the installation fails', () => {
    const { status, stderr } = run(
      {
        ...user,
        sudo: 'case $1 in tee|chmod|rm) cat >/dev/null </dev/null; exit 0;; *) exec "$@";; esac',
        'apt-get': 'exit 100',
      },
      'weft-no-such-tool',
    );
    assert.equal(status, 1);
    assert.match(stderr, /run as root: .* apt-get install weft-no-such-tool$/m);
  });

  it('does nothing if nothing is missing', () => {
    assert.equal(run({ ...user, sudo: 'exit 1' }, 'sh').status, 0);
  });
});
