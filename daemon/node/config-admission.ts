// Checks whether this host can apply a valid network config, and resolves what it needs for that.
// It changes nothing.
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { OwnLease } from '../../allocator/lease/lease-events.ts';
import {
  RENUMBER_KEY,
  type AnyRegistry,
  type Registry,
  type Revision,
} from '../../allocator/registry/registry.ts';
import { SubnetPool } from '../../allocator/subnet/subnet-pool.ts';
import type { LeaseSubnets } from '../../allocator/lease.ts';
import { isInside } from '../../lib/address.ts';
import { configForHost } from '../host/family-choice.ts';
import type { ForwardingSetup } from '../host/forwarding-setup.ts';
import { runStartup } from '../host/extension-startup.ts';
import { readHost } from '../host/host-facts.ts';
import { familiesOf, type InterfaceOptions } from '../host/interface-facts.ts';
import { checkHost, type checkPrerequisites } from '../host/prerequisites.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { ConfigRejection } from './config-watcher.ts';
import { withMode } from '../host/datapath-mode.ts';
import { datapathFor, factsOf, type NodeEvent, type NodeState } from './node-state.ts';

export interface AdmissionDeps {
  readonly kernel: Kernel;
  readonly registry: AnyRegistry | Pick<Registry, 'allocation' | 'readMeta'>;
  readonly router: ForwardingSetup;
  readonly interface: InterfaceOptions;
  readonly checkPrerequisites: typeof checkPrerequisites;
  /** As it is at the time of the call. */
  readonly state: () => NodeState;
  readonly own: () => OwnLease | undefined;
}

export type Admission =
  | { readonly ok: true; readonly event: Extract<NodeEvent, { kind: 'config-applied' }> }
  | { readonly ok: false; readonly rejection: ConfigRejection };

export async function admitConfig(
  config: NetworkConfig,
  revision: Revision,
  deps: AdmissionDeps,
): Promise<Admission> {
  const mode = datapathFor(deps.state(), config);
  const missing = await deps.checkPrerequisites(config, mode);
  if (missing !== undefined) return reject(missing);
  const { chosen } = deps.state().snapshot;
  const result = await readHost(deps.kernel, deps.interface, familiesOf(config), chosen);
  if (!result.ok) return reject(result.message);
  const snapshot = result.snapshot;
  const startup = await runStartup(deps.kernel, config);
  if (!startup.ok) return reject(startup.message);
  const { extensionData } = startup;
  const datapaths = withMode(deps.state().datapaths, config.backend.type, mode);
  const facts = factsOf({ ...deps.state(), snapshot, datapaths, extensionData });
  const host = configForHost(config, facts, snapshot.missingIpv6);
  const unsuitable = checkHost(host.config, facts);
  if (unsuitable !== undefined) return reject(unsuitable);
  const forwarding = deps.router.choose(config);
  if (!forwarding.ok) return reject(forwarding.message);
  const renumbering = await rejectRenumbering(host.config, revision, deps);
  if (renumbering !== undefined) return reject(renumbering);
  return { ok: true, event: { kind: 'config-applied', host, snapshot, datapaths, extensionData } };
}

/**
 * A config that takes subnets away needs a confirmation: it moves containers to other addresses.
 */
async function rejectRenumbering(
  config: NetworkConfig,
  revision: Revision,
  { own: ownLease, registry }: AdmissionDeps,
): Promise<string | undefined> {
  const own = ownLease();
  if (own === undefined) return undefined;
  if (registry.allocation === 'assigned') return rejectOutside(config, own.subnets);
  if (!new SubnetPool(config).renumbers(own.subnets)) return undefined;
  const confirmation = await registry.readMeta(RENUMBER_KEY).catch(() => undefined);
  if (confirmation !== undefined && confirmation.modRevision >= revision) return undefined;
  const subnets = [own.subnets.ipv4, own.subnets.ipv6].filter(Boolean).join(' and ');
  return (
    `it has no room for ${subnets} of this host, which would get another subnet, and its containers other addresses: ` +
    `confirm that with "weft config set --renumber", or restart the daemon of each host`
  );
}

/** Subnets that the control plane assigned stay: the network has to hold them. */
function rejectOutside(config: NetworkConfig, { ipv4, ipv6 }: LeaseSubnets): string | undefined {
  const isLost4 = ipv4 !== undefined && config.ipv4 !== undefined && !isInside(ipv4, config.ipv4.network);
  const isLost6 = ipv6 !== undefined && config.ipv6 !== undefined && !isInside(ipv6, config.ipv6.network);
  const isNone = !(ipv4 !== undefined && config.ipv4) && !(ipv6 !== undefined && config.ipv6);
  if (!isLost4 && !isLost6 && !isNone) return undefined;
  const subnets = [ipv4, ipv6].filter(Boolean).join(' and ');
  return `its network does not hold ${subnets}, which Kubernetes assigned to this node: Network must be the cluster CIDR of kube-controller-manager`;
}

function reject(reason: string): Admission {
  return { ok: false, rejection: { reason, isRetryable: true } };
}
