import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tar } from './tar.ts';

describe('a tar archive', () => {
  const texts = ['', 'one line\n', 'x'.repeat(512), `${'long '.repeat(500)}\u00e9\n`];
  const files = texts.map((text, index) => ({ path: `dump/part/${index}.txt`, text }));

  it('unpacks to the same files with mode 0600', () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-tar-'));
    try {
      const input = tar(files, 1_700_000_000);
      const { status, stderr } = spawnSync('tar', ['-x', '-C', folder, '--no-same-owner'], { input });
      assert.equal(status, 0, stderr.toString());
      for (const { path, text } of files) {
        assert.equal(readFileSync(join(folder, path), 'utf8'), text);
        assert.equal(statSync(join(folder, path)).mode & 0o777, 0o600);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('rejects a name that is too long', () => {
    assert.throws(() => tar([{ path: 'x'.repeat(101), text: '' }], 0), /is too long for a name/);
  });
});
