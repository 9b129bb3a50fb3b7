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
  impact: 'Nobody sleeps',
  fix: 'close the door',
};
const loud: Check = {
  id: 'loud',
  about: 'loudness',
  run: () => Promise.resolve([{ severity: 'error', ...found }]),
};
const odd: Check = {
  id: 'odd',
  about: 'oddness',
  run: () => Promise.resolve([{ severity: 'warning', ...found }]),
};

describe('weft doctor prints', () => {
  const finding = (severity: Finding['severity']): Finding => ({ check: 'loud', severity, ...found });

  it('one line where nothing is wrong', () => {
    assert.equal(formatFindings([], [quiet], PLAIN), 'Nothing is wrong, as far as 1 checks can see\n');
  });

  it('what was seen, what it costs and what mends it', () => {
    assert.equal(
      formatFindings([finding('error'), finding('warning'), finding('warning')], [quiet, loud], PLAIN, true),
      `1 error and 2 warnings in 2 checks

ERROR It is loud [loud]
  seen:   heard: a bang
  seen:   heard: another
  so:     Nobody sleeps
  mend:   close the door

WARNING It is loud [loud]
  seen:   heard: a bang
  seen:   heard: another
  so:     Nobody sleeps
  mend:   close the door

WARNING It is loud [loud]
  seen:   heard: a bang
  seen:   heard: another
  so:     Nobody sleeps
  mend:   close the door

Found nothing wrong with
  quiet  whether it is quiet
`,
    );
  });
});

describe('weft doctor', () => {
  const ids = (findings: readonly Finding[]): readonly string[] => findings.map(({ check }) => check);

  it('tells errors before warnings', async () => {
    assert.deepEqual(ids(await runChecks(NO_FACTS, [odd, quiet, loud])), ['loud', 'odd']);
  });

  it('asks the last resort only where no other check has an error', async () => {
    const last: Check = { ...odd, id: 'last', isLastResort: true };
    assert.deepEqual(ids(await runChecks(NO_FACTS, [odd, last])), ['odd', 'last']);
    assert.deepEqual(ids(await runChecks(NO_FACTS, [loud, last])), ['loud']);
  });

  it('goes on when a check fails or takes for ever, and says so', async () => {
    const failing: Check = { ...quiet, id: 'failing', run: () => Promise.reject(new Error('no ip')) };
    const slow: Check = { ...quiet, id: 'slow', run: () => new Promise(() => undefined) };
    const findings = await runChecks(NO_FACTS, [failing, slow, loud], 20);
    assert.deepEqual(ids(findings), ['loud', 'failing', 'slow']);
    assert.deepEqual(findings[1]?.evidence, ['no ip']);
    assert.match(findings[2]?.evidence[0] ?? '', /no result within/);
  });
});
