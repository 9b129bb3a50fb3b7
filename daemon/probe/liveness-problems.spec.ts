import assert from 'node:assert/strict';
import { livenessProblems } from './liveness-problems.ts';
import type { Liveness } from './liveness-state.ts';

const SINCE = '1970-01-01T00:00:01.000Z';
const silent: Liveness = { state: 'silent', sinceMs: 1000 };
const broken: Liveness = { state: 'overlay-broken', sinceMs: 1000 };
const pairs = (count: number, liveness: Liveness): (readonly [string, Liveness])[] =>
  Array.from({ length: count }, (_, index) => [`10.5.${index + 1}.0-24`, liveness]);

describe('what operators read about peers that do not answer', () => {
  it('is nothing while all answer', () => {
    assert.deepEqual(livenessProblems([], 3), []);
  });

  it('names them with the start of the silence, three at most', () => {
    assert.deepEqual(livenessProblems(pairs(1, silent), 3), [
      `1 of 3 peers silent: 10.5.1.0-24 since ${SINCE}`,
    ]);
    assert.deepEqual(livenessProblems(pairs(5, silent), 9), [
      `5 of 9 peers silent: 10.5.1.0-24 since ${SINCE}, 10.5.2.0-24 since ${SINCE}, 10.5.3.0-24 since ${SINCE} and 2 more`,
    ]);
  });

  it('has the names of hosts beside their keys', () => {
    const nameOf = (key: string) => (key === '10.5.2.0-24' ? 'db-2' : undefined);
    assert.deepEqual(livenessProblems(pairs(2, silent), 9, nameOf), [
      `2 of 9 peers silent: 10.5.1.0-24 since ${SINCE}, 10.5.2.0-24 (db-2) since ${SINCE}`,
    ]);
    // Of Kubernetes the key is the name.
    assert.doesNotMatch(livenessProblems(pairs(1, silent), 9, (key) => key).join(), /\(/);
  });

  it('suspects this host where no peer answers, and not where its only peer does not', () => {
    assert.match(
      livenessProblems(pairs(2, silent), 2)[0]!,
      /^no peer answers: check the underlay of this host; /,
    );
    assert.match(livenessProblems(pairs(1, silent), 1)[0]!, /^1 of 1 peers silent: /);
  });

  it('has a line of its own for a broken overlay', () => {
    const lines = livenessProblems([['10.5.9.0-24', broken], ...pairs(1, silent)], 4);
    assert.deepEqual(lines, [
      `1 of 4 peers silent: 10.5.1.0-24 since ${SINCE}`,
      `1 of 4 peers answer on the underlay and not on the overlay, weft doctor finds the cause: 10.5.9.0-24 since ${SINCE}`,
    ]);
  });
});
