import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireCniBuild } from './cni.ts';

describe('the benchmark of weft-cni', () => {
  it('refuses to start without what it measures, and says how to build it', () => {
    const root = mkdtempSync(join(tmpdir(), 'weft-bench-'));
    try {
      mkdirSync(join(root, 'dist'));
      for (const name of ['weft-cni', 'weft.mjs']) {
        const file = join(root, 'dist', name);
        assert.throws(() => requireCniBuild(root), { message: `cni needs ${file}: run make bundle` });
        writeFileSync(file, '');
      }
      requireCniBuild(root);
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});
