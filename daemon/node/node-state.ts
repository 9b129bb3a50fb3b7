// What this node is configured as: config in force, interface in use, datapath, probe results.
// `next` takes an event to the next state and the effects on lease, overlay and probes. Pure.
import type { Family } from '../../lib/address.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { NodeIdentity } from '../../allocator/lease/node-identity.ts';
import type { HostFacts } from '../../backends/backend.ts';
import {
  chooseDatapath,
  withDatapaths,
  withMode,
  type DatapathMode,
  type Datapaths,
} from '../host/datapath-mode.ts';
import { withExtension } from '../host/extension-startup.ts';
import { configForHost, type HostConfig } from '../host/family-choice.ts';
import { sameFacts, type HostSnapshot } from '../host/host-facts.ts';

export interface NodeState {
  /** The config in force, as far as this host takes part. */
  readonly host: HostConfig;
  readonly snapshot: HostSnapshot;
  readonly datapaths: Datapaths;
  /** Families in which devices compute wrong checksums. */
  readonly badOffloadFamilies: readonly Family[];
  /** What the PreStartupCommand of the backend extension printed; unset without one. */
  readonly extensionData?: string | undefined;
}

export type NodeEvent =
  /** A valid config that this host can apply. */
  | {
      readonly kind: 'config-applied';
      readonly host: HostConfig;
      readonly snapshot: HostSnapshot;
      readonly datapaths: Datapaths;
      readonly extensionData?: string | undefined;
    }
  | { readonly kind: 'host-read'; readonly snapshot: HostSnapshot }
  | { readonly kind: 'offload-probed'; readonly badFamilies: readonly Family[] }
  /** The kernel cannot carry the backend in force. */
  | { readonly kind: 'datapath-missing' };

export type NodeEffect =
  /** Forget what probes found about checksums. */
  | { readonly kind: 'reset-offload' }
  /** Connections of the registry may depend on an address that the host lost. */
  | { readonly kind: 'reconnect-registry' }
  | { readonly kind: 'set-config' }
  | { readonly kind: 'set-facts' }
  | { readonly kind: 'set-identity' }
  | { readonly kind: 'report-ipv6' }
  | { readonly kind: 'report-identity'; readonly from: string; readonly to: string };

export interface NodeTransition {
  readonly state: NodeState;
  readonly effects: readonly NodeEffect[];
}

const RESET_OFFLOAD: NodeEffect = { kind: 'reset-offload' };
const SET_FACTS: NodeEffect = { kind: 'set-facts' };

export function initialNodeState(
  config: NetworkConfig,
  snapshot: HostSnapshot,
  datapaths: Datapaths,
  extensionData?: string,
): NodeState {
  const host = configForHost(config, snapshot.facts, snapshot.missingIpv6);
  return { host, snapshot, datapaths, badOffloadFamilies: [], extensionData };
}

export function next(state: NodeState, event: NodeEvent): NodeTransition {
  switch (event.kind) {
    case 'config-applied': {
      const { host, snapshot, datapaths } = event;
      // A transport that this host leaves keeps what it published.
      const extensionData = event.extensionData ?? state.extensionData;
      return withHost({ ...state, snapshot, datapaths, extensionData }, host);
    }
    case 'host-read':
      return onHostRead(state, event.snapshot);
    case 'offload-probed':
      return { state: { ...state, badOffloadFamilies: event.badFamilies }, effects: [SET_FACTS] };
    case 'datapath-missing': {
      const datapaths = withMode(state.datapaths, state.host.config.backend.type, 'userspace');
      return { state: { ...state, datapaths }, effects: [SET_FACTS] };
    }
  }
}

function onHostRead(before: NodeState, snapshot: HostSnapshot): NodeTransition {
  const isOtherInterface = snapshot.chosen.name !== before.snapshot.chosen.name;
  const badOffloadFamilies = isOtherInterface ? [] : before.badOffloadFamilies;
  const read: NodeState = { ...before, snapshot, badOffloadFamilies };
  const host = configForHost(before.host.clusterConfig, factsOf(read), snapshot.missingIpv6);
  const hasOtherFamilies = (host.missingIpv6 === undefined) !== (before.host.missingIpv6 === undefined);
  const { state, effects } = hasOtherFamilies
    ? withHost(read, host)
    : { state: { ...read, host }, effects: factsEffects(before, read) };
  const [from, to] = [identityOf(before.snapshot).nodeId, identityOf(snapshot).nodeId];
  const isChanged = effects.length > 0;
  return {
    state,
    effects: [
      ...(hasLostAddress(before.snapshot, snapshot) ? [{ kind: 'reconnect-registry' } as const] : []),
      ...(isOtherInterface ? [RESET_OFFLOAD] : []),
      ...effects,
      ...(isChanged && from !== to ? [{ kind: 'report-identity', from, to } as const] : []),
    ],
  };
}

function factsEffects(before: NodeState, now: NodeState): readonly NodeEffect[] {
  return sameFacts(factsOf(before), factsOf(now)) ? [] : [SET_FACTS, { kind: 'set-identity' }];
}

/** Another config, or another part of it, is in force on this host. */
function withHost(state: NodeState, host: HostConfig): NodeTransition {
  const isReset = needsOtherProbes(state.host, host);
  const isReported = state.host.missingIpv6 !== host.missingIpv6;
  return {
    state: { ...state, host, badOffloadFamilies: isReset ? [] : state.badOffloadFamilies },
    effects: [
      ...(isReset ? [RESET_OFFLOAD] : []),
      { kind: 'set-config' },
      // Where IPv4 comes or goes, the identity is an address of another family.
      { kind: 'set-identity' },
      ...(isReported ? [{ kind: 'report-ipv6' } as const] : []),
    ],
  };
}

// ---- queries ----

/** Facts about the host, with what was decided and found out about it. */
export function factsOf({ snapshot, badOffloadFamilies, datapaths, extensionData }: NodeState): HostFacts {
  const { facts } = snapshot;
  const known = badOffloadFamilies.length === 0 ? facts : { ...facts, badOffloadFamilies };
  return withExtension(withDatapaths(known, datapaths), extensionData);
}

/** The identity of this node in the registry. */
export function identityOf({ chosen }: HostSnapshot): NodeIdentity {
  const { publicIp, publicIpv6 } = chosen;
  const nodeId = publicIp ?? publicIpv6;
  if (nodeId === undefined) throw new Error(`Interface ${chosen.name} was chosen without a public address`);
  return { nodeId, ...(publicIpv6 && { publicIpv6 }) };
}

/** The datapath of the backend in force; `kernel` for one that has no choice. */
export function datapathOf({ host, datapaths }: NodeState): DatapathMode {
  const { type } = host.config.backend;
  return type === 'udp' || type === 'vxlan' ? datapaths[type] : 'kernel';
}

/**
 * The datapath for `config`. A kernel that could not carry the backend cannot now; another backend
 * says nothing about it.
 */
export function datapathFor(state: NodeState, { backend }: NetworkConfig): DatapathMode {
  const wasSame = state.host.config.backend.type === backend.type;
  return chooseDatapath(backend, wasSame && datapathOf(state) === 'userspace');
}

/** Whether findings about checksums no longer apply. */
function needsOtherProbes(
  { config: { backend: before } }: HostConfig,
  { config: { backend } }: HostConfig,
): boolean {
  if (before.type !== 'vxlan' || backend.type !== 'vxlan') return before.type !== backend.type;
  return before.txChecksumOffload !== backend.txChecksumOffload || before.port !== backend.port;
}

/** Whether an address changed that open connections may use. */
function hasLostAddress({ chosen: before }: HostSnapshot, { chosen: now }: HostSnapshot): boolean {
  if (before.name !== now.name) return true;
  return (['ipv4', 'ipv6'] as const).some(
    (family) => before[family] !== undefined && before[family] !== now[family],
  );
}
