// PUT /v1/doctor: `weft doctor` leaves what it found, for the page of the metrics server. The daemon
// makes no checks of its own: they take a second, and need the rights and the view of an operator.
import { ControlError, type Endpoint } from './endpoint.ts';
import type { DoctorReportV1, FindingV1 } from '../../api/index.ts';

/** Bounds of what is kept. */
const MAX_FINDINGS = 100;
const MAX_LINES = 20;
const MAX_CHARACTERS = 2000;

export const doctorEndpoint: Endpoint = {
  method: 'PUT',
  path: '/v1/doctor',
  summary: 'keeps what weft doctor found, for the page: {"findings":[…]}',
  handle: (daemon, { body }) => {
    const { findings } = (body ?? {}) as Partial<DoctorReportV1>;
    if (!Array.isArray(findings) || !findings.every(isFinding))
      throw new ControlError(
        400,
        'bad-request',
        `findings ${JSON.stringify(findings)?.slice(0, 100)}: must be those of weft doctor --json`,
      );
    const at = new Date().toISOString();
    daemon.doctorReport = { at, findings: findings.slice(0, MAX_FINDINGS).map(bounded) };
    return { json: { at } };
  },
};

function isFinding(value: unknown): value is FindingV1 {
  const { check, severity, title, evidence, impact, fix } = (value ?? {}) as Partial<FindingV1>;
  const isText = (text: unknown): boolean => typeof text === 'string';
  return (
    [check, title, impact, fix].every(isText) &&
    (severity === 'warning' || severity === 'error') &&
    Array.isArray(evidence) &&
    evidence.every(isText)
  );
}

/** Without members that the page does not know. */
function bounded({ check, severity, title, evidence, impact, fix }: FindingV1): FindingV1 {
  const cut = (text: string): string => text.slice(0, MAX_CHARACTERS);
  return {
    check: cut(check),
    severity,
    title: cut(title),
    evidence: evidence.slice(0, MAX_LINES).map(cut),
    impact: cut(impact),
    fix: cut(fix),
  };
}
