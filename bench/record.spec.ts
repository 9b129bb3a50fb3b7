import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseRecord, readRecord, writeRecord, type BenchmarkRecord } from './record.ts';

describe('record', () => {
  it('comes back from its file with machine and time', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-record-'));
    try {
      const part: BenchmarkRecord = {
        part: 'boot',
        invalidatedBy: 'never',
        conditions: { hosts: 2 },
        measures: [],
      };
      await writeRecord(join(folder, 'a/b.json'), [part]);
      const record = await readRecord(join(folder, 'a/b.json'));
      assert.deepEqual(record.parts, [part]);
      assert.ok(record.machine.cores > 0 && record.machine.kernel !== '');
      assert.ok(Math.abs(Date.parse(record.takenAt) - Date.now()) < 600_000);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  for (const [text, reason] of [
    ['{', /^x\.json is not JSON: /],
    ['null', /^x\.json is no record of version 1 \(its version: undefined\)/],
    ['{"version":2,"machine":{},"parts":[]}', /its version: 2\): make it with weft bench --out x\.json$/],
    ['{"version":1,"machine":{}}', /no record/],
  ] as const)
    it(`is not ${text}`, () => assert.throws(() => parseRecord(text, 'x.json'), { message: reason }));

  it('that is not there is named', async () => {
    await assert.rejects(readRecord('/nowhere/x.json'), /Cannot read \/nowhere\/x\.json: ENOENT/);
  });
});
