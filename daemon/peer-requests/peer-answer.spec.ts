import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { PeerAnswerV1 } from '../../api/index.ts';
import { parsePeerAnswer } from './peer-answer.ts';

const LISTENER = { address: '10.5.2.9', tcp: 40_000, udp: 40_001 };
const ANSWERS: readonly PeerAnswerV1[] = [
  { kind: 'accepted' },
  { kind: 'untested', reason: 'the host has no bridge' },
  {
    kind: 'endpoint',
    token: 'aa',
    host: [{ ...LISTENER, layer: 'underlay' }],
    container: [LISTENER],
    missing: ['no IPv6'],
    opened: [
      {
        from: 'host',
        to: 'container',
        test: 'tcp',
        address: '10.5.1.9',
        reason: 'refused',
        isUntested: true,
      },
      { from: 'container', to: 'host', test: 'udp', address: 'fd00::1', seen: '10.5.2.9' },
    ],
  },
  { kind: 'endpoint', token: 'aa', host: [], container: [], missing: [] },
  {
    kind: 'doctor',
    findings: [
      { check: 'a', severity: 'error', title: 'b', evidence: ['c'], impact: 'd', fix: 'e' },
      { check: 'f', severity: 'warning', title: 'g', evidence: [], impact: 'h', fix: 'i' },
    ],
    notTested: ['j'],
  },
];

describe('answer of a peer', () => {
  const parsed = (value: unknown) => parsePeerAnswer(JSON.stringify(value));

  for (const answer of ANSWERS)
    it(`is read as it was written: ${answer.kind}`, () => assert.deepEqual(parsed(answer), answer));

  it('is not there as long as nothing is written', () => assert.equal(parsePeerAnswer(''), undefined));

  for (const text of [
    'no JSON',
    'null',
    '[]',
    '{"kind":"later"}',
    JSON.stringify({ kind: 'x'.repeat(300_000) }),
  ])
    it(`says that it cannot be read: ${text.slice(0, 20)}`, () => {
      const answer = parsePeerAnswer(text);
      assert.match(answer?.kind === 'untested' ? answer.reason : '', /another version/);
    });

  it('has no entry of another shape', () => {
    const entries = [null, 7, { ...LISTENER, address: 'h1' }, { ...LISTENER, tcp: 0 }, LISTENER];
    const opened = [null, { from: 'host', to: 'moon', test: 'tcp', address: '10.5.1.9' }];
    const answer = parsed({
      kind: 'endpoint',
      token: 7,
      host: entries,
      container: entries,
      missing: {},
      opened,
    });
    assert.deepEqual(answer, {
      kind: 'endpoint',
      token: '',
      host: [],
      container: [LISTENER],
      missing: [],
      opened: [],
    });
  });

  it('is bounded in entries and texts', () => {
    const notTested = Array.from({ length: 1000 }, () => 'x'.repeat(200));
    const answer = parsed({ kind: 'doctor', findings: [{ title: 'x'.repeat(9000) }], notTested });
    assert.ok(answer?.kind === 'doctor');
    assert.deepEqual([answer.notTested.length, answer.findings[0]!.title.length], [100, 2000]);
  });

  it('is an answer whatever is written', () => {
    const kind = fc.constantFrom('accepted', 'untested', 'endpoint', 'doctor');
    const any = fc.jsonValue({ maxDepth: 1 });
    const list = fc.oneof(fc.array(any, { maxLength: 3 }), any);
    const endpoint = { host: list, container: list, missing: list, opened: list };
    const doctor = { findings: list, notTested: list };
    const value = fc.record({ kind, token: any, reason: any, ...endpoint, ...doctor });
    fc.assert(
      fc.property(value, (answer) => {
        assert.equal(parsed(answer)?.kind, answer.kind);
      }),
    );
  });
});
