import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { waitFor } from '../../../lab/wait.ts';
import { ConfigFile } from './config-file.ts';

describe('ConfigFile', () => {
  let folder: string;
  let path: string;
  let file: ConfigFile;
  let texts: (string | undefined)[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-config-'));
    path = join(folder, 'net-conf.json');
    file = new ConfigFile(path);
    texts = [];
    file.subscribe((entry) => texts.push(entry?.text));
  });
  afterEach(async () => {
    file.close();
    await rm(folder, { recursive: true });
  });

  it('reports a change that a caller reads before its notification does', async () => {
    await writeFile(path, 'one');
    await file.read();
    await writeFile(path, 'two');
    assert.equal((await file.read())?.text, 'two');
    assert.deepEqual(texts, ['one', 'two']);
  });

  it('reports a change that no caller reads', async () => {
    await file.read();
    await writeFile(path, 'one');
    await waitFor('the change', () => texts.length > 0, 1500);
    assert.deepEqual(texts, ['one']);
    assert.equal(file.entry?.text, 'one');
  });

  it('has a revision for each text, and the same one for the same text', async () => {
    const revisions: (number | undefined)[] = [];
    for (const text of ['one', 'one', 'two']) {
      await writeFile(path, text);
      revisions.push((await file.read())?.modRevision);
    }
    assert.deepEqual(revisions, [1, 1, 2]);
  });
});
