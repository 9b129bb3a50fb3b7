import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseRecord, readRecord, writeRecord, type BenchmarkRecord } from './record.ts';

describe('record', () => {
  it('comes back from its file with machine and time', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weft-record-'));
    try {
      const benchmark: BenchmarkRecord = {
        benchmark: 'boot',
        invalidatedBy: 'never',
        conditions: { hosts: 2 },
        measures: [],
      };
      await writeRecord(join(folder, 'a/b.json'), [benchmark]);
      const record = await readRecord(join(folder, 'a/b.json'));
      assert.deepEqual(record.benchmarks, [benchmark]);
      assert.ok(record.machine.cores > 0 && record.machine.kernel !== '');
      assert.ok(Math.abs(Date.parse(record.takenAt) - Date.now()) < 600_000);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  for (const [text, reason] of [
    ['{', /^x\.json is not JSON: /],
    ['null', /^x\.json is no record of version 2 \(its version: undefined\)/],
    [
      '{"version":3,"machine":{},"benchmarks":[]}',
      /its version: 3\): make it with weft bench --out x\.json$/,
    ],
    ['{"version":1,"machine":{}}', /no record/],
  ] as const)
    it(`is not ${text}`, () => assert.throws(() => parseRecord(text, 'x.json'), { message: reason }));

  it('of version 1 is read with the names of version 2', () => {
    const subject = { name: 'fastd', rounds: [1], isRival: true, promise: { of: 'value', atMost: 1 } };
    const measures = [{ name: 'tcp', unit: 'ms', better: 'less', subjects: [subject] }];
    const part = { part: 'path', falsifiedBy: 'never', conditions: { part: 'kept' }, measures };
    const record = parseRecord(JSON.stringify({ version: 1, machine: {}, parts: [part] }), 'x.json');
    assert.deepEqual(record.benchmarks, [
      {
        benchmark: 'path',
        invalidatedBy: 'never',
        conditions: { part: 'kept' },
        measures: [
          {
            ...measures[0],
            subjects: [
              {
                name: 'fastd',
                rounds: [1],
                isCompetitor: true,
                threshold: { of: 'value', atMost: 1 },
              },
            ],
          },
        ],
      },
    ]);
  });

  it('that is not there is named', async () => {
    await assert.rejects(readRecord('/nowhere/x.json'), /Cannot read \/nowhere\/x\.json: ENOENT/);
  });
});
