import assert from 'node:assert/strict';
import { LeaseAdminError } from '../../allocator/lease/lease-admin.ts';
import { RegistryError } from '../../allocator/registry/registry.ts';
import { drainEndpoint } from './drain.ts';
import type { ControlledNode } from './endpoint.ts';

describe('POST /v1/drain', () => {
  const post = async (problem: Error | undefined, state = 'released'): Promise<unknown> => {
    const set = (): Promise<void> => (problem === undefined ? Promise.resolve() : Promise.reject(problem));
    const daemon = { drain: { state: 'drained', set } } as Partial<ControlledNode> as ControlledNode;
    const request = { query: new URLSearchParams(), body: { state }, signal: AbortSignal.abort() };
    return drainEndpoint.handle(daemon, request);
  };

  it('answers with the state', async () => {
    assert.deepEqual(await post(undefined, 'drained'), { json: { state: 'drained' } });
  });

  for (const [error, answer] of [
    [new LeaseAdminError('conflict', 'assigned'), { status: 409, reason: 'conflict' }],
    [new LeaseAdminError('not-ready', 'no lease'), { status: 503, reason: 'not-ready' }],
    [new RegistryError('REGISTRY_UNAVAILABLE', 'no etcd'), { status: 503, reason: 'registry-unavailable' }],
    [new Error('no space left'), { message: 'no space left' }],
  ] as const)
    it(`answers with the reason: ${error.message}`, () => assert.rejects(post(error), answer));
});
