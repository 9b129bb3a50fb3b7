import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodeCache } from './code-cache.ts';

const NAME = 'sum.cjs';
const TEXT = 'function add(a, b) { return a + b; } return add(one, other);';

/** In place of root. */
const OWN = process.geteuid!();

describe('CodeCache', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'weft-code-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Runs the script and saves what is not in the cache. @returns files written */
  function run(text = TEXT, key = 'key', where: string | undefined = folder, owner = OWN): number {
    const cache = new CodeCache(where, key, owner);
    assert.equal(cache.compile(NAME, text, ['one', 'other'])(2, 3), 5);
    return cache.save();
  }

  it('runs the same without a folder', () => {
    assert.equal(new CodeCache(undefined, 'key').compile(NAME, TEXT, ['one', 'other'])(2, 3), 5);
    assert.equal(run(TEXT, 'key', join(folder, 'missing')), 0);
  });

  it('uses what an earlier process kept, and leaves it alone', () => {
    assert.deepEqual([run(), run(), run()], [1, 0, 0]);
    assert.deepEqual(readdirSync(folder), [NAME]);
    assert.equal(statSync(join(folder, NAME)).mode & 0o777, 0o600);
  });

  it('has the text of now, whatever text of the same length was kept', () => {
    run('return one - other + 6;', 'before');
    assert.deepEqual([run('return one + other + 0;', 'now'), run('return one + other + 0;', 'now')], [1, 0]);
  });

  const damages: Readonly<Record<string, (file: string) => void>> = {
    'is cut off': (file) => truncateSync(file, statSync(file).size - 9),
    'is empty': (file) => truncateSync(file, 0),
    'has another byte': (file) => {
      const content = readFileSync(file);
      content[content.length - 100]! ^= 1;
      writeFileSync(file, content);
    },
    'is of another program': (file) => writeFileSync(file, 'x'.repeat(5000)),
    'may be written by others': (file) => chmodSync(file, 0o622),
    'is a link': (file) => {
      renameSync(file, `${file}.elsewhere`);
      symlinkSync(`${file}.elsewhere`, file);
    },
  };
  for (const [damage, inflict] of Object.entries(damages))
    it(`compiles, and writes a file again, that ${damage}`, () => {
      run();
      inflict(join(folder, NAME));
      assert.deepEqual([run(), run()], [1, 0]);
      rmSync(join(folder, `${NAME}.elsewhere`), { force: true });
    });

  it('neither reads nor writes in a folder that others may write to', () => {
    chmodSync(folder, 0o777);
    assert.equal(run(), 0);
    assert.equal(existsSync(join(folder, NAME)), false);
    chmodSync(folder, 0o700);
    assert.equal(run(), 1);
  });

  it('neither reads nor writes in a folder of another user', () => {
    assert.equal(run(TEXT, 'key', folder, OWN + 1), 0);
    assert.deepEqual(readdirSync(folder), []);
  });

  it('leaves no draft where it cannot write', () => {
    const cache = new CodeCache(folder, 'key', OWN);
    cache.compile('a/b', TEXT, ['one', 'other']);
    assert.throws(() => cache.save(), /ENOENT/);
    assert.deepEqual(readdirSync(folder), []);
  });
});
