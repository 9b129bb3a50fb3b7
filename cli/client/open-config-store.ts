// Opens the network config of this host's etcd, for commands that change it without the daemon.
import { createEtcdConfigStore } from '../../allocator/registry/etcd/config-store.ts';
import type { ConfigStore } from '../../allocator/registry/config-store.ts';
import { endpointAddresses } from '../../daemon/options/etcd-options.ts';
import type { IpAddress } from '../../lib/address.ts';
import { ControlClient, socketPath } from './control-client.ts';
import type { EtcdFlags } from './etcd-options.ts';
import { findEtcd, requireEtcd } from './etcd-source.ts';

export interface OpenConfigStore {
  readonly store: ConfigStore;
  readonly key: string;
  /** Of etcd, as far as its endpoints are any. */
  readonly addresses: readonly IpAddress[];
}

/** @throws UsageError for values that make no sense, or where etcd is not the registry. */
export async function openConfigStore(
  flags: EtcdFlags & { readonly socket: string | undefined },
): Promise<OpenConfigStore> {
  const found = await findEtcd(new ControlClient(socketPath(flags.socket)), flags);
  requireEtcd(found, flags);
  const { etcd } = found;
  return {
    store: createEtcdConfigStore(etcd),
    key: `${etcd.prefix}/config`,
    addresses: endpointAddresses(etcd),
  };
}
