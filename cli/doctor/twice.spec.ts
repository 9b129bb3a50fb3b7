import assert from 'node:assert/strict';
import { RegistryError } from '../../allocator/registry/registry.ts';
import { again, twice } from './twice.ts';

const LATE = new RegistryError('REGISTRY_UNAVAILABLE', 'Deadline exceeded');
const DENIED = new RegistryError('REGISTRY_DENIED', 'permission denied');

describe('a read of etcd by weft doctor', () => {
  /** Fails with each of `errors` in turn, then answers. */
  async function readWith(...errors: readonly Error[]): Promise<{ attempts: number; result: unknown }> {
    let attempts = 0;
    const read = (): Promise<string> => {
      const error = errors[attempts++];
      return error === undefined ? Promise.resolve('answer') : Promise.reject(error);
    };
    const result = await twice(read, undefined).catch((error: unknown) => error);
    return { attempts, result };
  }

  it('is not one failure that a busy host caused', async () => {
    assert.deepEqual(await readWith(LATE), { attempts: 2, result: 'answer' });
  });

  it('ends with a second failure, or one that stays', async () => {
    assert.deepEqual(await readWith(LATE, LATE), { attempts: 2, result: LATE });
    assert.deepEqual(await readWith(DENIED), { attempts: 1, result: DENIED });
  });

  it('is not a connection that a busy host noticed late', async () => {
    const reasons = ['no answer within 2.5 s', undefined];
    assert.equal(await again(() => Promise.resolve(reasons.shift())), undefined);
    assert.equal(await again(() => Promise.resolve('ECONNREFUSED')), 'ECONNREFUSED');
  });
});
