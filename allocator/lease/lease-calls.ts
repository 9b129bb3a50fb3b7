// Performs one registry call of the lease's state machine and makes its outcome an input. Decides
// nothing, retries nothing.
import type { Clock } from '../../lib/clock.ts';
import type { LeaseAttributes } from '../lease.ts';
import type { RegistryCache } from '../registry/registry-cache.ts';
import type { RegistryLeases, Revision, SubnetKeys, WriteResult } from '../registry/registry.ts';
import type { LeaseCall, LeaseResult } from './lease-effects.ts';

export interface LeaseCallDeps {
  readonly registry: Pick<RegistryLeases, 'grant' | 'keepAlive'> & SubnetKeys;
  readonly cache: Pick<RegistryCache, 'noteRevision' | 'revision'>;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly attributes: (previous?: LeaseAttributes) => LeaseAttributes;
  readonly signal: AbortSignal;
}

/** Never rejects. */
export async function performCall(call: LeaseCall, deps: LeaseCallDeps): Promise<LeaseResult> {
  try {
    return await perform(call, deps);
  } catch (error) {
    return { kind: 'call-failed', call: call.kind, error: error as Error };
  }
}

async function perform(call: LeaseCall, deps: LeaseCallDeps): Promise<LeaseResult> {
  const { attributes, cache, clock, registry, signal } = deps;
  const sentAtMs = clock.nowMs();
  /** A list that begins later must not be older than the answer. */
  const answered = async <Answer extends { readonly revision: Revision }>(
    answer: Promise<Answer>,
  ): Promise<Answer> => {
    const result = await answer;
    cache.noteRevision(result.revision);
    return result;
  };
  switch (call.kind) {
    case 'derive-attributes':
      return { kind: 'attributes-derived', attributes: attributes(call.previous) };
    case 'grant': {
      const leaseId = await registry.grant(call.ttlSec, signal);
      return { kind: 'lease-granted', leaseId, sentAtMs, ttlSec: call.ttlSec };
    }
    case 'keep-alive': {
      const ttlSec = await registry.keepAlive(call.leaseId, signal);
      return { kind: 'lease-kept-alive', leaseId: call.leaseId, sentAtMs, ttlSec };
    }
    case 'create':
      return { kind: 'key-created', result: await answered(registry.create(call.request, signal)) };
    case 'update':
    case 'move':
    case 'remove': {
      const result = await answered(write(call, registry, signal));
      return { kind: 'key-written', result, cacheRevision: cache.revision };
    }
  }
}

function write(
  call: Extract<LeaseCall, { kind: 'update' | 'move' | 'remove' }>,
  registry: SubnetKeys,
  signal: AbortSignal,
): Promise<WriteResult> {
  if (call.kind === 'update') return registry.update(call.entry, call.expected, signal);
  if (call.kind === 'move') return registry.move(call.from, call.expected, call.entry, signal);
  return registry.remove(call.key, call.expected, signal);
}
