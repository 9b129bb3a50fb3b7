import assert from 'node:assert/strict';
import { PLAIN } from '../format/style.ts';
import type { Check, Finding } from './check.ts';
import { runChecks } from './run-checks.ts';
import type { Facts } from './facts.ts';
import { formatFindings } from './format-findings.ts';

const NO_FACTS = {} as Facts;
const quiet: Check = { id: 'quiet', about: 'whether it is quiet', run: () => Promise.resolve([]) };
const found = {
  title: 'It is loud',
  evidence: ['heard: a bang', 'heard: another'],
  impact: 'No one sleeps',
  fix: 'close the window',
};
const loud: Check = {
  id: 'loud',
  about: 'loudness',
  run: () => Promise.resolve([{ severity: 'error', ...found }]),
};
const minor: Check = {
  id: 'minor',
  about: 'whether it hums',
  run: () => Promise.resolve([{ severity: 'warning', ...found }]),
};

describe('weft doctor prints', () => {
  const finding = (severity: Finding['severity']): Finding => ({ check: 'loud', severity, ...found });

  it('one line without findings', () => {
    assert.equal(formatFindings([], [quiet], PLAIN), 'No findings in 1 checks\n');
  });

  it('evidence, impact and fix of each finding', () => {
    assert.equal(
      formatFindings([finding('error'), finding('warning'), finding('warning')], [quiet, loud], PLAIN, true),
      `1 error and 2 warnings in 2 checks

ERROR It is loud [loud]
  evidence:  heard: a bang
  evidence:  heard: another
  impact:    No one sleeps
  fix:       close the window

WARNING It is loud [loud]
  evidence:  heard: a bang
  evidence:  heard: another
  impact:    No one sleeps
  fix:       close the window

WARNING It is loud [loud]
  evidence:  heard: a bang
  evidence:  heard: another
  impact:    No one sleeps
  fix:       close the window

Checks without findings
  quiet  whether it is quiet
`,
    );
  });
});

describe('weft doctor', () => {
  const ids = (findings: readonly Finding[]): readonly string[] => findings.map(({ check }) => check);

  it('reports errors before warnings', async () => {
    assert.deepEqual(ids(await runChecks(NO_FACTS, [minor, quiet, loud])), ['loud', 'minor']);
  });

  it('runs the last resort only if no other check has an error', async () => {
    const last: Check = { ...minor, id: 'last', isLastResort: true };
    assert.deepEqual(ids(await runChecks(NO_FACTS, [minor, last])), ['minor', 'last']);
    assert.deepEqual(ids(await runChecks(NO_FACTS, [loud, last])), ['loud']);
  });

  it('reports a check that fails or exceeds its time limit, and runs the others', async () => {
    const failing: Check = { ...quiet, id: 'failing', run: () => Promise.reject(new Error('no ip')) };
    const slow: Check = { ...quiet, id: 'slow', run: () => new Promise(() => undefined) };
    const findings = await runChecks(NO_FACTS, [failing, slow, loud], 20);
    assert.deepEqual(ids(findings), ['loud', 'failing', 'slow']);
    assert.deepEqual(findings[1]?.evidence, ['no ip']);
    assert.match(findings[2]?.evidence[0] ?? '', /no result within/);
  });
});
