// `make fuzz` runs walks of any length: a time limit inside a spec must not end them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../lab/package-root.ts';

const SPEC = `describe('slow', function () {
  this.timeout(20);
  const pause = () => new Promise((resolve) => setTimeout(resolve, 60));
  it('by the suite', pause);
  it('by itself', function () { this.timeout(10); return pause(); });
});`;

describe('make fuzz', function () {
  this.timeout(30_000);

  it('lets no time limit of a spec end a walk', () => {
    const cwd = packageRoot();
    const folder = mkdtempSync(join(tmpdir(), 'weft-fuzz-'));
    try {
      writeFileSync(join(folder, 'slow.spec.cjs'), SPEC);
      const args = ['--timeout', '0', '--require', './dist/test/support/fuzz.js'];
      const mocha = join(cwd, 'node_modules/mocha/bin/mocha.js');
      const { status, stdout } = spawnSync(
        process.execPath,
        [mocha, ...args, join(folder, 'slow.spec.cjs')],
        { cwd, encoding: 'utf8' },
      );
      assert.equal(status, 0, stdout);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('fuzzes in C whatever the walks find', () => {
    const plan = spawnSync('make', ['-n', 'fuzz'], { cwd: packageRoot(), encoding: 'utf8' }).stdout;
    assert.match(plan, /mocha .*\|\| status=\$\?; *(?:\\\n)?\s*sh native\/fuzz\/run\.sh/s);
  });
});
