import assert from 'node:assert/strict';
import type { ReconcilerEvent } from '../reconciler/events.ts';
import { createLogger } from './log.ts';
import { createLogRateLimit } from './log-rate-limit.ts';
import { describeReconcilerEvent, logReconcilerEvent } from './reconciler-log.ts';

const ERROR = { object: 'route 10.5.2.0/24', errno: 'EPERM', message: 'EPERM: not permitted' } as const;
const cases: readonly [ReconcilerEvent, topic: string, level: string, code: string][] = [
  [{ kind: 'drift-detected', count: 0, objects: [] }, 'kernel', 'warn', 'KERNEL_DRIFT'],
  [{ kind: 'drift-repaired', count: 0, objects: [], ms: 1 }, 'kernel', 'info', 'KERNEL_REPAIRED'],
  [{ kind: 'object-contested', object: 'link flannel.1' }, 'kernel', 'warn', 'KERNEL_CONTESTED'],
  [{ kind: 'orphans-removed', count: 0, objects: [] }, 'kernel', 'info', 'ORPHANS_REMOVED'],
  [{ kind: 'orphan-remove-failed', ...ERROR }, 'kernel', 'warn', 'ORPHAN_REMOVE_FAILED'],
  [{ kind: 'peer-rejected', peer: 'a', reason: 'b' }, 'peer', 'warn', 'PEER_REJECTED'],
  [{ kind: 'more-peers-rejected', more: 3 }, 'peer', 'warn', 'PEER_REJECTED'],
  [{ kind: 'peer-failed', peer: 'a', ...ERROR }, 'peer', 'warn', 'PEER_FAILED'],
  [{ kind: 'peer-recovered', peer: 'a' }, 'peer', 'info', 'PEER_RECOVERED'],
  [{ kind: 'link-failed', device: 'flannel.1', ...ERROR }, 'kernel', 'error', 'HOST_FAILED'],
  [{ kind: 'host-failed', ...ERROR }, 'kernel', 'error', 'HOST_FAILED'],
  [{ kind: 'host-recovered' }, 'kernel', 'info', 'HOST_RECOVERED'],
  [{ kind: 'link-replaced', object: 'link flannel.1', message: '' }, 'kernel', 'warn', 'LINK_REPLACED'],
  [{ kind: 'setting-rejected', object: 'sysctl a', message: '' }, 'kernel', 'warn', 'SYSCTL_REJECTED'],
  [
    { kind: 'setting-rejected', object: 'sysctl net/ipv6/conf/flannel.1/accept_ra', message: '' },
    'kernel',
    'info',
    'SYSCTL_REJECTED',
  ],
  [{ kind: 'read-failed', error: undefined }, 'kernel', 'error', 'KERNEL_READ_FAILED'],
  [{ kind: 'steps-unanswered', message: '', times: 1 }, 'kernel', 'warn', 'KERNEL_NO_ANSWER'],
];

describe('the description of a reconciler event', () => {
  for (const [event, ...expected] of cases)
    it(`has topic, level and a stable code for ${event.kind}`, () => {
      const { topic, level, code, fields } = describeReconcilerEvent(event);
      const { kind: _kind, ...rest } = event;
      assert.deepEqual([topic, level, code], expected);
      assert.deepEqual(fields, rest);
    });
});

describe('the log of drift', () => {
  let lines: string[] = [];
  let nowMs = 0;
  let limit = createLogRateLimit();
  beforeEach(() => {
    lines = [];
    nowMs = 0;
    limit = createLogRateLimit({ nowMs: () => nowMs });
  });
  const log = createLogger({ write: (line) => void lines.push(line) });
  const drift = (...objects: readonly ReconcilerEvent[]): void =>
    objects.forEach((event) => logReconcilerEvent(log, limit, event));
  const of = (object: string): ReconcilerEvent => ({
    kind: 'drift-detected',
    count: 1,
    objects: [object as `route ${string}`],
  });

  it('has a line for each object, once a minute', () => {
    drift(of('route 10.5.2.0/24'), of('route 10.5.2.0/24'), of('link flannel.1'), of('link flannel.1'));
    assert.equal(lines.length, 2);
    assert.match(lines[1]!, /link flannel\.1/);
    nowMs = 60_001;
    drift(of('route 10.5.2.0/24'));
    assert.equal(lines.length, 3);
  });

  it('is bounded, but for devices', () => {
    for (let index = 0; index < 50; index++) drift(of(`route 10.5.${index}.0/24`));
    assert.equal(lines.length, 10);
    drift(of('link flannel.1'));
    assert.equal(lines.length, 11);
  });
});
