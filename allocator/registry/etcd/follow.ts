// Follows a folder of weft's own keys: a stream with one watch from now on. It asks for no progress:
// where the server is silent, the watch of subnets notices and gives the connection up, which ends
// this stream as well.
import { RegistryError } from '../registry.ts';
import type { MetaListener } from '../registry.ts';
import type { EtcdCall, EtcdClient } from './client.ts';
import { watchCancelled } from './errors.ts';
import { folderRange } from './keys.ts';
import type { EtcdRpc } from './rpc.ts';
import type { WatchResponse } from './wire/messages.ts';

/** A watch from the next revision on. */
const FROM_NOW = '0';

/** `path` ends with a slash. Rejects when the stream ends. */
export function followFolder(
  client: EtcdClient,
  path: string,
  onChange: MetaListener,
  signal: AbortSignal,
): Promise<never> {
  const call: EtcdCall = { name: 'followMeta', scope: path, isRepeatable: true };
  return client.stream(call, signal, (rpc) => follow(client, rpc, path, onChange));
}

async function follow(
  client: EtcdClient,
  rpc: EtcdRpc,
  path: string,
  onChange: MetaListener,
): Promise<never> {
  const { settings } = client;
  const stream = rpc.watch();
  const endpoint = rpc.channel.endpoint.url;
  const range = folderRange(path);
  const start = range.key.length;
  const receive = (response: WatchResponse): void => {
    rpc.channel.touch();
    if (response.canceled) {
      const username = settings.auth?.username;
      // etcd before 3.5 calls an expired token a denied permission.
      client.forgetToken();
      throw watchCancelled(response.cancel_reason, { call: 'followMeta', endpoint, scope: path, username });
    }
    for (const { type, kv } of response.events)
      onChange(kv.key.toString('utf8', start), type === 'Put' ? kv.value.toString() : undefined);
  };
  let stopListening: (() => void) | undefined;
  try {
    return await new Promise<never>((_resolve, reject) => {
      if (rpc.signal.aborted) reject(rpc.signal.reason as Error);
      stopListening = rpc.channel.onClose(() => reject(ended(endpoint, 'the connection was given up')));
      rpc.signal.addEventListener('abort', () => reject(rpc.signal.reason as Error), { once: true });
      stream.on('data', (response) => {
        try {
          receive(response);
        } catch (error) {
          reject(error);
        }
      });
      // The listener stays for the error that cancelling makes.
      stream.on('error', reject);
      stream.on('end', () => reject(ended(endpoint, 'the server ended the stream')));
      stream.write({ create_request: { ...range, start_revision: FROM_NOW, progress_notify: false } });
    });
  } finally {
    stopListening?.();
    stream.cancel();
  }
}

function ended(endpoint: string, why: string): RegistryError {
  return new RegistryError('REGISTRY_UNAVAILABLE', `etcd followMeta at ${endpoint} failed: ${why}`);
}
