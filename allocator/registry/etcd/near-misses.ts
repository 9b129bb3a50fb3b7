// Keys in etcd that were perhaps meant for the network config.
import { nearMissesOf } from '../config-near-misses.ts';
import { RegistryError } from '../registry.ts';
import type { EtcdClient } from './client.ts';
import type { EtcdKeys } from './keys.ts';
import type { RequestOp } from './wire/messages.ts';

/**
 * Those that exist, likeliest first; none if etcd does not let this user read them. Rejects with a
 * {@link RegistryError} that is transient.
 */
export async function readNearMisses(
  client: EtcdClient,
  { configKey, scope }: EtcdKeys,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const success = nearMissesOf(configKey.toString()).map((key): RequestOp => ({
    request_range: { key: Buffer.from(key), keys_only: true },
  }));
  const call = { name: 'readNearMisses', scope, isRepeatable: true };
  try {
    const { responses } = await client.unary(call, signal, (rpc) => rpc.txn({ success }));
    return responses.flatMap(({ response_range }) => response_range.kvs.map(({ key }) => key.toString()));
  } catch (error) {
    if (error instanceof RegistryError && !error.isTransient) return [];
    throw error;
  }
}
