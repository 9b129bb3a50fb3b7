// Everything that the overlay publishes or wants in the kernel, derived from config, host facts,
// the own lease and the state of the migration. Pure.
import type { OwnLease } from '../../allocator/lease/lease-events.ts';
import type { Cidr } from '../../lib/address.ts';
import type { Lease, LeaseAttributes } from '../../allocator/lease.ts';
import {
  BackendError,
  type BackendContext,
  type HostFacts,
  type Ownership,
  type PeerState,
} from '../../backends/backend.ts';
import { deriveBlackholes } from '../../backends/blackhole-route.ts';
import { deriveFirewall, deriveForwarding } from '../../backends/firewall/firewall.ts';
import type { KernelObject } from '../../backends/kernel-state.ts';
import type { HostConfig } from '../host/family-choice.ts';
import { formatSubnetEnv } from '../subnet-file/subnet-env.ts';
import {
  backendOf,
  deriveAs,
  deriveHostFor,
  derivePeerFor,
  mtuFor,
  ownershipFor,
} from './derive-transports.ts';
import {
  announcedOf,
  configFor,
  findTransport,
  findTransports,
  mapTransports,
  receivedBy,
  wantedOf,
  weftAttributesOf,
  type LocalTransport,
  type MigrationState,
} from './migration-state.ts';
import type { ForwardingPolicy } from '../host/forwarding-setup.ts';
import type { NetworkStatus } from './overlay-status.ts';

/** What the overlay of this host depends on, apart from leases. */
export interface OverlayInputs {
  readonly host: HostConfig;
  readonly facts: HostFacts;
  readonly migration: MigrationState;
  /** Networks of an earlier run, whose routes of weft are orphans. Absent means none. */
  readonly formerNetworks?: readonly Cidr[];
}

/** One context a received transport, by its id; that of the announced one last. */
export type TransportContexts = ReadonlyMap<string, BackendContext>;

/** What to publish. @throws BackendError if this host cannot take part. */
export function attributesOf(inputs: OverlayInputs, previous?: LeaseAttributes): LeaseAttributes {
  const { migration } = inputs;
  const announced = announcedOf(migration);
  // Peers need the attributes of transports, too, that this host has only learned from a lease.
  const completed = mapTransports(migration, (transport) => ({
    ...transport,
    attributes: transport.attributes ?? transportAttributes(inputs, transport),
  }));
  const attributes = transportAttributes(inputs, announced, previous);
  const weft = weftAttributesOf(completed);
  return weft === undefined ? attributes : { ...attributes, weft: { ...attributes.weft, ...weft } };
}

function transportAttributes(
  { host, facts, migration }: OverlayInputs,
  transport: LocalTransport,
  previous?: LeaseAttributes,
): LeaseAttributes {
  const config = configFor(migration, host.config, transport);
  return backendOf({ config }).attributes(config, facts, transport.attributes ?? previous);
}

/** @throws BackendError if the facts lack what a backend needs. */
export function deriveContexts(inputs: OverlayInputs, { subnets }: OwnLease): TransportContexts {
  const { host, facts, migration } = inputs;
  const isMigrating = migration.known.length > 1;
  const hasCommands = isMigrating && migration.known.some(({ type }) => type === 'extension');
  return new Map(
    receivedBy(migration).map((transport) => {
      const config = configFor(migration, host.config, transport);
      const own = { subnets, attributes: transportAttributes(inputs, transport) };
      return [transport.id, { config, host: facts, own, ...(isMigrating && { isMigrating, hasCommands }) }];
    }),
  );
}

/** What is published by each transport. */
export function derivedAttributes(contexts: TransportContexts): ReadonlyMap<string, LeaseAttributes> {
  return new Map(Array.from(contexts, ([id, { own }]) => [id, own.attributes]));
}

/**
 * This daemon's part of the kernel's state, including the families that this host lacks now and may
 * have had.
 */
export function deriveOwnership({ host, facts, formerNetworks, migration }: OverlayInputs): Ownership {
  const configs = receivedBy(migration).map((transport) =>
    configFor(migration, host.clusterConfig, transport),
  );
  const ownership = ownershipFor(configs.map((config) => ({ config, host: facts })));
  if (formerNetworks === undefined || ownership.networks.length === 0) return ownership;
  // Subnet length 0 is that of no host: routes of flannel's shape may be of others there.
  const former = formerNetworks.map((network) => ({ network, subnetLength: 0 }));
  return { ...ownership, networks: [...ownership.networks, ...former] };
}

export interface HostObjectsOptions {
  readonly ownership: Ownership;
  readonly policy: ForwardingPolicy;
  /** Whether packets to unassigned addresses of the own subnet are dropped. */
  readonly isBlackholing: boolean;
}

/** This host's own objects. @throws BackendError as the backends do. */
export function deriveHostObjects(
  contexts: TransportContexts,
  { subnets }: OwnLease,
  { ownership, policy, isBlackholing }: HostObjectsOptions,
): readonly KernelObject[] {
  const all = [...contexts.values()];
  const announced = all.at(-1)!;
  return [
    ...deriveHostFor(all),
    ...(policy.setsSysctls ? deriveForwarding(announced) : []),
    ...deriveFirewall(announced, policy.firewall),
    ...(isBlackholing ? deriveBlackholes(subnets, ownership) : []),
  ];
}

/**
 * The transport to send to a peer by: the one that it announces, or, until it has answered there,
 * one that it leaves. A WireGuard peer drops what comes from a key that it does not know yet.
 */
function chooseTransport(
  migration: MigrationState,
  contexts: TransportContexts,
  peer: Lease,
): LocalTransport | undefined {
  const candidates = findTransports(migration, peer);
  if (contexts.size === 1) return candidates[0];
  return candidates.find(({ id }) => isAnswered(contexts.get(id), peer)) ?? candidates.at(-1);
}

/** Whether a peer has answered all handshakes that `context` needs; others need none. */
function isAnswered(context: BackendContext | undefined, peer: Lease): boolean {
  if (context?.config.backend.type !== 'wireguard') return true;
  return deriveAs(context, peer).objects.every(
    (object) =>
      object.kind !== 'wireguard-peer' || context.host.handshakes?.has(object.dev, object.publicKey) === true,
  );
}

/** Keys of peers that announce the wanted transport and have not answered there. */
export function findUnanswered(
  migration: MigrationState,
  contexts: TransportContexts,
  peers: Iterable<readonly [string, Lease]>,
): readonly string[] {
  const wanted = wantedOf(migration);
  if (wanted.type !== 'wireguard' || contexts.size < 2) return [];
  const context = contexts.get(wanted.id);
  return [...peers].flatMap(([key, peer]) =>
    findTransport(migration, peer)?.id === wanted.id && !isAnswered(context, peer) ? [key] : [],
  );
}

/**
 * What leads to a peer; `undefined` while nothing can be derived, so that its entries stay as they
 * are.
 */
export function derivePeer(
  migration: MigrationState,
  contexts: TransportContexts,
  peer: Lease,
): PeerState | undefined {
  const transport = chooseTransport(migration, contexts, peer);
  const wanted = wantedOf(migration);
  const chosen = (transport && contexts.get(transport.id)) ?? contexts.get(wanted.id);
  if (chosen === undefined) return undefined;
  if (transport !== undefined) return derivePeerFor([...contexts.values()], chosen, peer);
  // The peer announces no known transport. Its backend gives the best reason, unless the port
  // differs.
  const state = backendOf(chosen).derivePeer(chosen, peer);
  const port = peer.attributes.weft?.port;
  if (state.mode === 'error' || port === undefined) return state;
  const reason = `it listens at UDP port ${port} and this host does at ${wanted.port}`;
  return { mode: 'error', reason, objects: [] };
}

/**
 * Why a peer that is reachable now would be unreachable by the wanted transport; `undefined` if
 * none would.
 */
export function findBlocker(
  migration: MigrationState,
  contexts: TransportContexts,
  peers: Iterable<readonly [string, Lease]>,
): string | undefined {
  const wanted = contexts.get(wantedOf(migration).id);
  if (wanted === undefined) return undefined;
  for (const [key, peer] of peers) {
    const state = deriveAs(wanted, peer);
    if (state.mode === 'error' && derivePeer(migration, contexts, peer)?.mode !== 'error')
      return `${key}: ${state.reason}`;
  }
  return undefined;
}

/** @throws BackendError if no usable MTU is left. */
export function deriveSubnetEnv(
  contexts: TransportContexts,
  { subnets }: OwnLease,
  { config }: HostConfig,
  { firewall: { isMasquerading } }: ForwardingPolicy,
): string {
  const { ipv4, ipv6 } = config;
  const networks = { ...(ipv4 && { ipv4: ipv4.network }), ...(ipv6 && { ipv6: ipv6.network }) };
  return formatSubnetEnv({ networks, subnets, mtu: mtuFor([...contexts.values()]), isMasquerading });
}

export function networkStatusOf({ host, facts, migration }: OverlayInputs): NetworkStatus {
  const configs = receivedBy(migration).map((transport) => configFor(migration, host.config, transport));
  const config = configs.at(-1)!;
  try {
    return { config, mtu: mtuFor(configs.map((each) => ({ config: each, host: facts }))) };
  } catch (error) {
    if (!(error instanceof BackendError)) throw error;
    return { config };
  }
}
