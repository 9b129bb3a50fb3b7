import assert from 'node:assert/strict';
import type { OwnLease } from '../../allocator/lease/lease-events.ts';
import { subnets } from '../../backends/fixture.ts';
import { isAtRest, readinessOf, SETTLE_MS, statusLine, type ReadinessParts } from './readiness.ts';
import { toLeaseId, toRevision } from '../../allocator/registry/registry.ts';
import type { StatusSummary } from '../reconciler/status/status.ts';

const OWN: OwnLease = {
  key: '10.5.72.0-24',
  subnets: subnets('10.5.72.0/24'),
  attributes: { backendType: 'vxlan' },
  leaseId: toLeaseId('1'),
  modRevision: toRevision(1),
  isReservation: false,
  expiresAtMs: Infinity,
};
const SUMMARY: StatusSummary = {
  peers: 9,
  inSync: 9,
  pending: 0,
  errors: 0,
  host: { state: 'in-sync' },
  contested: [],
  isComplete: true,
};

type LeaseManagerView = NonNullable<ReadinessParts['leaseManager']>;

interface Changes {
  readonly leaseManager?: Partial<LeaseManagerView>;
  readonly summary?: Partial<StatusSummary>;
  readonly fileProblem?: string;
  readonly isConnected?: boolean;
  readonly error?: string;
  readonly peerError?: string;
}

function parts({
  leaseManager,
  summary,
  fileProblem,
  isConnected = true,
  error,
  peerError,
}: Changes = {}): ReadinessParts {
  return {
    phase: 'acquiring a lease',
    error,
    leaseManager: { isHeld: true, own: OWN, state: 'held', lastError: undefined, ...leaseManager },
    reconciler: { summary: () => ({ ...SUMMARY, ...summary }) },
    subnetFile: { problem: fileProblem },
    registryCache: { isConnected, revision: toRevision(7) },
    peerError: () => peerError,
  };
}

describe('readiness', () => {
  const lost = { isHeld: false, state: 'lost' } as const;
  const cases: readonly [string, Changes, boolean, RegExp | undefined][] = [
    ['all is as it should be', {}, true, undefined],
    ['the lease is lost', { leaseManager: lost }, false, /^the lease is lost$/],
    [
      'the lease is lost, and a call failed',
      { leaseManager: { ...lost, lastError: new Error('etcd: timed out') } },
      false,
      /lost: etcd: timed out/,
    ],
    ['subnet.env cannot be written', { fileProblem: 'Cannot write /x: EROFS' }, false, /\/x: EROFS/],
    ['peers were not all set yet', { summary: { isComplete: false } }, false, /not programmed yet/],
    [
      'the own device fails',
      { summary: { host: { state: 'error', reason: 'link flannel.1: ENODEV' } } },
      false,
      /own device: link flannel\.1: ENODEV/,
    ],
    ['a peer is pending', { summary: { inSync: 8, pending: 1 } }, false, /1 of 9 peers are not in/],
    ['the kernel cannot be read', { summary: { readError: 'EMFILE' } }, false, /EMFILE/],
    ['the backend cannot work', { error: 'eth0 has no IPv4 address' }, false, /eth0 has no IPv4/],
    ['a peer is reported', { summary: { inSync: 8, errors: 1 } }, true, /^1 of 9 peers cannot be programmed/],
    [
      'a peer is reported with its reason',
      { summary: { inSync: 8, errors: 1 }, peerError: '10.5.1.0-24: another VNI' },
      true,
      /programmed: 10\.5\.1\.0-24: another VNI$/,
    ],
    [
      'two peers are reported',
      { summary: { inSync: 7, errors: 2 }, peerError: '10.5.1.0-24: another VNI' },
      true,
      /another VNI; weft peers -p has the others$/,
    ],
    ['the registry is away', { isConnected: false }, true, /not reachable/],
    [
      'a write fails',
      { leaseManager: { lastError: new Error('PATCH: forbidden') } },
      true,
      /^a write to the registry failed and is tried again: PATCH: forbidden$/,
    ],
    [
      'a write fails as the registry is away',
      { isConnected: false, leaseManager: { lastError: new Error('PATCH: refused') } },
      true,
      /^the registry is not reachable; .*in force$/,
    ],
  ];
  for (const [name, changes, isReady, reason] of cases)
    it(`is ${isReady ? 'there' : 'not there'} while ${name}`, () => {
      const readiness = readinessOf(parts(changes));
      assert.equal(readiness.isReady, isReady);
      if (reason === undefined) assert.deepEqual(readiness.reasons, []);
      else assert.match(readiness.reasons.join('\n'), reason);
    });

  it('names all blockers before notes', () => {
    const changes = { leaseManager: lost, fileProblem: 'disk full', isConnected: false };
    const { reasons } = readinessOf(parts(changes));
    assert.equal(reasons.length, 3);
    assert.deepEqual(reasons.slice(0, 2), ['the lease is lost', 'disk full']);
  });

  it('names the cause for which the registry is not reachable, before and after it had an answer', () => {
    const registryCache = {
      isConnected: false,
      revision: toRevision(7),
      lastError: new Error('getaddrinfo ENOTFOUND etcd'),
    };
    const waiting = { phase: 'waiting for the registry', registryCache };
    assert.deepEqual(readinessOf(waiting).reasons, ['waiting for the registry: getaddrinfo ENOTFOUND etcd']);
    assert.deepEqual(readinessOf({ ...parts(), registryCache }).reasons, [
      'the registry is not reachable: getaddrinfo ENOTFOUND etcd; the peers known last are in force',
    ]);
    const back = { ...registryCache, isConnected: true };
    assert.deepEqual(readinessOf({ ...waiting, registryCache: back }).reasons, ['waiting for the registry']);
  });

  it('of a drained host that waits says so, and reports a subnet.env that stays', () => {
    const problem = 'Cannot remove /run/subnet.env: EBUSY';
    const waiting = {
      phase: 'waiting for the network config',
      drainState: 'drained',
      subnetFile: { problem },
    } as const;
    const { isReady, reasons } = readinessOf(waiting);
    assert.equal(isReady, false);
    assert.deepEqual(reasons.slice(0, 2), [waiting.phase, problem]);
    assert.match(reasons[2]!, /this host is drained/);
    assert.deepEqual(readinessOf({ ...waiting, drainState: 'none' }).reasons, [waiting.phase]);
  });

  it('is what the daemon waits for until it has its parts', () => {
    assert.deepEqual(readinessOf({ phase: 'waiting for an interface' }), {
      isReady: false,
      reasons: ['waiting for an interface'],
    });
  });
});

describe('status line', () => {
  const both = { ...OWN, subnets: subnets('10.5.72.0/24 fd00:0:0:1::/64') };
  const cases: readonly [ReadinessParts, string][] = [
    [{ phase: 'waiting for the registry' }, 'waiting for the registry'],
    [parts({ leaseManager: { own: undefined } }), 'acquiring a lease'],
    [parts(), '10.5.72.0/24, 9 peers programmed'],
    [
      parts({ summary: { inSync: 6, pending: 2, errors: 1 } }),
      '10.5.72.0/24, 6 peers programmed, 2 pending, 1 in error',
    ],
    [parts({ leaseManager: { own: both } }), '10.5.72.0/24, fd00:0:0:1::/64, 9 peers programmed'],
  ];
  for (const [state, text] of cases) it(text, () => assert.equal(statusLine(state), text));
});

describe('a change at work', () => {
  const pending = parts({ summary: { pending: 2, host: { state: 'pending' } } });
  const unwritten = { ...parts({ fileProblem: 'subnet.env is not written yet' }) };
  const writing = { ...unwritten, subnetFile: { ...unwritten.subnetFile!, isPending: true } };

  it('leaves a host ready that was, for a moment', () => {
    for (const each of [pending, writing]) {
      assert.equal(isAtRest(each), false);
      assert.equal(readinessOf(each).isReady, false);
      assert.deepEqual(readinessOf({ ...each, unsettledMs: 0 }), { isReady: true, reasons: [] });
      assert.equal(readinessOf({ ...each, unsettledMs: SETTLE_MS }).isReady, false);
    }
    assert.equal(isAtRest(parts()), true);
  });

  it('hides neither a lost lease, nor an error, nor a file that cannot be written', () => {
    for (const changes of [
      { leaseManager: { isHeld: false, state: 'lost' } as const },
      { summary: { host: { state: 'error', reason: 'EPERM' } } as const },
      { fileProblem: 'no space' },
    ])
      assert.equal(readinessOf({ ...parts(changes), unsettledMs: 0 }).isReady, false);
  });
});
