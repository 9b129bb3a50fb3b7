// When a failed start ends the daemon, and what it takes back.
import assert from 'node:assert/strict';
import { VXLAN, host, network } from '../../backends/fixture.ts';
import type { LeaseEvent } from '../../allocator/lease/lease-events.ts';
import { INITIAL_DATAPATHS } from '../host/datapath-mode.ts';
import type { HostSnapshot } from '../host/host-facts.ts';
import type { LinkFailure } from './link-failure.ts';
import { initialNodeState } from './node-state.ts';
import { StartGuard, type StartGuardDeps } from './start-guard.ts';

const STATE = initialNodeState(network('4', VXLAN), { facts: host() } as HostSnapshot, INITIAL_DATAPATHS);
const failure = (errno: string): LinkFailure =>
  ({ kind: 'link-failed', device: 'flannel.1', errno, message: errno }) as LinkFailure;
const event = (code: string): LeaseEvent => ({ code }) as LeaseEvent;

describe('the guard of the start', () => {
  let guard: StartGuard;
  beforeEach(() => (guard = new StartGuard()));

  it('sees the first time that the kernel holds all, once', () => {
    assert.deepEqual(
      (['pending', 'in-sync', 'pending', 'in-sync'] as const).map((state) =>
        guard.noteHostState(state as never),
      ),
      [false, true, false, false],
    );
  });

  for (const [what, given, isNeeded, hasSynced, pattern] of [
    [
      'a port that is taken',
      failure('EADDRINUSE'),
      true,
      false,
      /^Cannot make flannel\.1: EADDRINUSE: .*UDP port 8472/,
    ],
    ['a device that is not needed', failure('EADDRINUSE'), false, false, undefined],
    ['an error that may pass', failure('ENOBUFS'), true, false, undefined],
    ['a port that is taken later', failure('EADDRINUSE'), true, true, undefined],
    ['no failure', undefined, true, false, undefined],
  ] as const)
    it(`${pattern === undefined ? 'goes on' : 'ends the daemon'} with ${what}`, () => {
      if (hasSynced) guard.noteHostState('in-sync');
      const message = guard.fatalMessage(given, STATE, (device) => isNeeded && device === 'flannel.1');
      if (pattern === undefined) assert.equal(message, undefined);
      else assert.match(message ?? '', pattern);
    });

  for (const [what, codes, allocation, hasOwn, revoked] of [
    ['that this run created', ['lease-created'], 'claimed', true, ['70']],
    ['that an earlier run created', ['lease-reused'], 'claimed', true, []],
    ['that the control plane assigned', ['lease-created'], 'assigned', true, []],
    ['that it does not have', ['lease-created'], 'claimed', false, []],
  ] as const)
    it(`takes back subnet.env, and a lease ${what}: ${revoked.length === 1}`, async () => {
      const done: string[] = [];
      const deps = {
        leaseManager: { own: hasOwn ? { leaseId: '70' } : undefined, stop: () => done.push('stop') },
        subnetFile: { remove: () => Promise.resolve(done.push('remove')) },
        registry: {
          allocation,
          revoke: (id: string) => (done.push(`revoke ${id}`), Promise.reject(new Error('away'))),
        },
      } as unknown as StartGuardDeps;
      for (const code of codes) guard.noteLeaseEvent(event(code));
      await guard.abort(deps);
      assert.deepEqual(done, ['stop', 'remove', ...revoked.map((id) => `revoke ${id}`)]);
    });
});
