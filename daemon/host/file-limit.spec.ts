import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkFileLimit } from './file-limit.ts';

describe('the limit of open files', () => {
  let folder = '';
  before(() => (folder = mkdtempSync(join(tmpdir(), 'weft-limits-'))));
  after(() => rmSync(folder, { recursive: true }));

  const cases: readonly (readonly [soft: string, expected: RegExp])[] = [
    ['32', /^error: Cannot start with at most 32 open files, needs 64: raise it \(ulimit -n/],
    ['63', /^error: /],
    ['64', /^warn: At most 64 open files are few: raise it \(ulimit -n/],
    ['511', /^warn: /],
    ['512', /^undefined$/],
    ['unlimited', /^undefined$/],
  ];
  for (const [soft, expected] of cases)
    it(`of ${soft} gives ${expected.source.slice(0, 12)}`, () => {
      const file = join(folder, 'limits');
      writeFileSync(
        file,
        `Max processes  7  7 processes\nMax open files            ${soft}   1048576   files\n`,
      );
      const found = checkFileLimit(file);
      assert.match(found === undefined ? 'undefined' : `${found.level}: ${found.message}`, expected);
    });

  it('is that of the process', () => {
    const url = JSON.stringify(new URL('file-limit.js', import.meta.url).href);
    const script = `import(${url}).then(({ checkFileLimit }) => console.log(checkFileLimit()?.message))`;
    const { stdout } = spawnSync('sh', ['-c', 'ulimit -n 32; exec "$0" -e "$1"', process.execPath, script], {
      encoding: 'utf8',
    });
    assert.match(stdout, /at most 32 open files/);
  });

  it('is unknown without the file', () => {
    assert.equal(checkFileLimit(join(folder, 'missing')), undefined);
  });
});
