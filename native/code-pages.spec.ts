// Resident code: a process that has released it has less, and runs on.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { loadNative } from './index.ts';

/** Resident pages of files, in kB. */
function residentOfFiles(): number {
  return Number(/^RssFile:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]);
}

describe('releaseCode', () => {
  it('unmaps code until it runs again', () => {
    const { native } = loadNative();
    assert.ok(native);
    const before = residentOfFiles();
    native.releaseCode();
    const after = residentOfFiles();
    assert.ok(after < before / 2, `${before} kB before, ${after} kB after`);
    // Code of Node, of V8 and of the addon.
    assert.equal(JSON.stringify({ a: [1n.toString()] }), '{"a":["1"]}');
    native.releaseCode();
    assert.match('weft', /^w.*t$/);
  });
});
