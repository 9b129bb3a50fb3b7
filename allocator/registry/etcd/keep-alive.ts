// One keep-alive: etcd has it only as a stream, which is opened for one question and one answer.
import { RegistryError } from '../registry.ts';
import type { LeaseId } from '../registry.ts';
import type { EtcdRpc } from './rpc.ts';

/**
 * Extends a lease and returns the seconds that it has now, 0 if it does not exist. Rejects with the
 * gRPC error.
 */
export async function keepAliveOnce(rpc: EtcdRpc, leaseId: LeaseId): Promise<number> {
  const stream = rpc.leaseKeepAlive();
  const cancel = (): void => stream.cancel();
  try {
    return await new Promise<number>((resolve, reject) => {
      rpc.signal.addEventListener('abort', cancel, { once: true });
      stream.on('data', (response) => {
        rpc.channel.touch();
        resolve(Math.max(0, response.TTL));
      });
      // The listener stays for the error that cancelling makes.
      stream.on('error', reject);
      stream.on('end', () => reject(endedEarly(rpc.channel.endpoint.url)));
      stream.write({ ID: leaseId });
      if (rpc.signal.aborted) cancel();
    });
  } finally {
    rpc.signal.removeEventListener('abort', cancel);
    stream.cancel();
  }
}

function endedEarly(url: string): RegistryError {
  return new RegistryError(
    'REGISTRY_UNAVAILABLE',
    `etcd keepAlive at ${url} failed: the server ended the stream without an answer`,
  );
}
