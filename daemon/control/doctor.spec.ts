import assert from 'node:assert/strict';
import type { DoctorReportV1, FindingV1 } from '../../api/index.ts';
import { doctorEndpoint } from './doctor.ts';
import { ControlError, type ControlledNode } from './endpoint.ts';

const FINDING: FindingV1 = {
  check: 'mtu',
  severity: 'error',
  title: 'Large packets are lost',
  evidence: ['1450 bytes'],
  impact: 'TCP hangs',
  fix: 'weft config set --mtu 1400',
};

describe('PUT /v1/doctor', () => {
  const put = (body: unknown): DoctorReportV1 | undefined => {
    const daemon = {} as ControlledNode;
    void doctorEndpoint.handle(daemon, { query: new URLSearchParams(), body, signal: AbortSignal.abort() });
    return daemon.doctorReport;
  };

  it('keeps the findings and the time', () => {
    const report = put({ findings: [FINDING], checks: ['mtu'] })!;
    assert.deepEqual(report.findings, [FINDING]);
    assert.ok(Date.parse(report.at) <= Date.now());
    assert.deepEqual(put({ findings: [] })?.findings, []);
  });

  it('bounds what it keeps', () => {
    const long = { ...FINDING, title: 'x'.repeat(5000), evidence: Array(50).fill('y'), more: 1 };
    const { findings } = put({ findings: Array.from({ length: 500 }, () => long) })!;
    assert.equal(findings.length, 100);
    assert.deepEqual([findings[0]!.title.length, findings[0]!.evidence.length], [2000, 20]);
    assert.deepEqual(Object.keys(findings[0]!), Object.keys(FINDING));
  });

  for (const body of [
    undefined,
    {},
    { findings: 'x' },
    { findings: [{ ...FINDING, fix: 1 }] },
    { findings: [{ ...FINDING, severity: 'odd' }] },
    { findings: [{ ...FINDING, evidence: [1] }] },
    { findings: [null] },
  ])
    it(`rejects ${JSON.stringify(body)}`, () => assert.throws(() => put(body), ControlError));
});
