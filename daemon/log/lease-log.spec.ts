import assert from 'node:assert/strict';
import type { LeaseEvent } from '../../allocator/lease/lease-events.ts';
import { ip4, subnets } from '../../backends/fixture.ts';
import { logLeaseEvent } from './lease-log.ts';
import { createLogRateLimit } from './log-rate-limit.ts';
import { createLogger } from './log.ts';

function fixture() {
  const lines: string[] = [];
  let nowMs = 0;
  const limit = createLogRateLimit({ nowMs: () => nowMs });
  const logger = createLogger({ write: (line) => lines.push(line), nowMs: () => 0 });
  return {
    lines,
    log: (event: LeaseEvent) => logLeaseEvent(logger, limit, event),
    wait: (ms: number) => void (nowMs += ms),
  };
}

const key = '10.5.72.0-24';
const unreachable: LeaseEvent = {
  level: 'warn',
  code: 'registry-unreachable',
  error: new Error('198.18.0.2:2379 does not answer'),
};

describe('the lease log', () => {
  for (const code of ['bad-entry', 'duplicate-public-ip', 'subnet-overlap'] as const)
    it(`has at most ten lines a minute of ${code}, then the number of the others`, () => {
      const { lines, log, wait } = fixture();
      const flip = (index: number): void =>
        log({
          level: 'warn',
          code,
          key: `10.5.${index}.0-24`,
          reason: 'x',
          peerKey: 'y',
          identity: 'z',
        } as unknown as LeaseEvent);
      for (let index = 0; index < 6200; index++) flip(index % 20);
      assert.equal(lines.length, 10);
      wait(60_000);
      flip(0);
      assert.match(lines[10]!, / suppressed=6190$/m);
    });

  const cases: readonly [LeaseEvent, RegExp][] = [
    [{ level: 'info', code: 'lease-created', key }, /INFO {2}Leased a subnet key=10\.5\.72\.0-24/],
    [{ level: 'warn', code: 'lease-lost', key, reason: 'expired' }, /WARN .*Lost the lease.*reason=expired/],
    [
      {
        level: 'error',
        code: 'subnet-changed',
        from: subnets('10.5.72.0/24'),
        to: subnets('10.5.73.0/24'),
      },
      /ERROR THE SUBNET OF THIS HOST CHANGED.*10\.5\.72\.0\/24.*10\.5\.73\.0\/24/,
    ],
    [
      { level: 'error', code: 'public-ip-contested', key, identity: ip4('10.9.0.1'), count: 3 },
      /ERROR .*--public-ip.*identity=10\.9\.0\.1/,
    ],
    [
      { level: 'error', code: 'pool-exhausted', error: new Error('No free subnet in 10.5.0.0/16') },
      /ERROR .*No free subnet in 10\.5\.0\.0\/16/,
    ],
    [
      { level: 'warn', code: 'bad-entry', key: 'garbage', reason: 'is no subnet' },
      /WARN .*key=garbage reason="is no subnet"/,
    ],
    [
      { level: 'warn', code: 'implied-backend-differs', peerKey: key },
      /WARN .*udp.*"Backend":\{"Type":"vxlan"\}.*peerKey=10\.5\.72\.0-24/,
    ],
    [unreachable, /WARN .*forwarding goes on.*198\.18\.0\.2:2379 does not answer/],
  ];
  for (const [event, expected] of cases)
    it(`names event, key and remedy of ${event.code}`, () => {
      const { lines, log } = fixture();
      log(event);
      assert.equal(lines.length, 1);
      assert.match(lines[0]!, expected);
    });

  it('logs a repeating event once a minute with the number of suppressed lines', () => {
    const { lines, log, wait } = fixture();
    const failed: LeaseEvent = { level: 'warn', code: 'attempt-failed', error: new Error('x') };
    for (let count = 0; count < 5; count++) log(failed);
    wait(60_000);
    log(failed);
    assert.equal(lines.length, 2);
    assert.match(lines[1]!, /suppressed=4/);
  });

  it('logs a lost registry at once if it was back in between', () => {
    const { lines, log } = fixture();
    for (const event of [unreachable, { level: 'info', code: 'registry-back' } as const, unreachable])
      log(event);
    assert.equal(lines.length, 3);
  });

  it('suppresses no event of a lease', () => {
    const { lines, log } = fixture();
    for (let count = 0; count < 3; count++)
      log({ level: 'warn', code: 'lease-lost', key, reason: 'deleted' });
    assert.equal(lines.length, 3);
  });
});
