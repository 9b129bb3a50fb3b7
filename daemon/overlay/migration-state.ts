// State of this host's migration between transports, and what follows from it. Plain data; `next`
// in migration-state-machine.ts makes one state of another.
//
//   state      means                                         leaves it
//   steady     one transport is known                        another is wanted ► preparing;
//                                                            a peer leaves another ► leaving
//   preparing  the wanted transport is being set up;         the kernel holds all of it, and no
//              the former one is announced                   peer would be unreachable ► leaving
//   leaving    the wanted transport is announced; each       every peer announces the wanted
//              peer is sent to by the one that it announces  transport, kernel settled ► draining
//   draining   only the wanted transport is sent by, and     no peer leaves a transport, and
//              the lease says so; peers may use others       SETTLE_MS passed ► removing
//   removing   the others are removed; the lease still       the kernel holds none of them ► steady
//              names them, as a daemon that starts then
//              must know that their devices are its own
//
// In each state all known transports are received. A peer's lease may lead back to an earlier
// state. After the time-out pending peers are ignored: draining and steady follow at once.
import type { BackendConfig, NetworkConfig } from '../../allocator/config/config.ts';
import type { Lease, LeaseAttributes, LegacyTransport } from '../../allocator/lease.ts';
import {
  matchTransport,
  publishedPort,
  transportId,
  transportOf,
  type Transport,
} from '../../backends/transport.ts';

export interface LocalTransport extends Transport {
  readonly id: string;
  /** Settings with which this host uses the transport. */
  readonly backend: BackendConfig;
  /** What this host publishes, or published last, for the transport; keeps its MAC. */
  readonly attributes?: LeaseAttributes;
}

/** Fields that every state has. */
export interface MigrationBase {
  /** Whether the `started` event came. Before it, transports are only collected. */
  readonly isStarted: boolean;
  /** All transports that this host receives: the wanted one first, then in the order of arrival. */
  readonly known: readonly LocalTransport[];
  /** Ids of known transports that peers may have learned from this host. */
  readonly advertised: ReadonlySet<string>;
  /** Ids of transports removed while peers still used them. A lease does not bring these back. */
  readonly abandoned: ReadonlySet<string>;
  /** When the wanted transport became the wanted one. */
  readonly wantedSinceMs: number;
  /** How long to wait for peers, in ms; 0 means forever. */
  readonly timeoutMs: number;
}

export type MigrationState = MigrationBase &
  (
    | { readonly kind: 'steady' }
    | {
        readonly kind: 'preparing';
        /** Id of the transport that the lease announces. */
        readonly announcedId: string;
        /** Why the wanted transport cannot be announced yet, by peer. */
        readonly blocker?: string;
      }
    | { readonly kind: 'leaving' }
    | {
        readonly kind: 'draining';
        /** Since when nothing is pending; unset while something is. */
        readonly quietSinceMs?: number;
      }
    | {
        readonly kind: 'removing';
        /** Transports that are not received any more. */
        readonly former: readonly LocalTransport[];
      }
  );

/** Lets packets in transit, and in queues, arrive after the last peer has changed over. */
export const SETTLE_MS = 500;

/** The state before the first event. */
export function initialState(backend: BackendConfig, timeoutMs: number): MigrationState {
  const wanted = localTransport(backend);
  return {
    kind: 'steady',
    isStarted: false,
    known: [wanted],
    advertised: new Set([wanted.id]),
    abandoned: new Set(),
    wantedSinceMs: 0,
    timeoutMs,
  };
}

export function baseOf(state: MigrationState): MigrationBase {
  const { isStarted, known, advertised, abandoned, wantedSinceMs, timeoutMs } = state;
  return { isStarted, known, advertised, abandoned, wantedSinceMs, timeoutMs };
}

/** The state of `base` while `announcedId` is announced. */
export function stateFor(
  base: MigrationBase,
  { announcedId, isDrained }: { readonly announcedId: string; readonly isDrained: boolean },
): MigrationState {
  if (base.known.length === 1) return { ...base, kind: 'steady' };
  if (announcedId !== base.known[0]!.id) return { ...base, kind: 'preparing', announcedId };
  return { ...base, kind: isDrained ? 'draining' : 'leaving' };
}

/** The same state with other known transports; keeps the data of its kind. */
export function withKnown(state: MigrationState, known: readonly LocalTransport[]): MigrationState {
  if (state.kind === 'removing' && known.length === 1) return { ...state, known };
  const base = { ...baseOf(state), known };
  const changed = stateFor(base, {
    announcedId: announcedOf({ ...state, known }).id,
    isDrained: isDrained(state),
  });
  return changed.kind === state.kind ? { ...state, known } : changed;
}

export function asLeaving(state: MigrationState): MigrationState {
  return { ...baseOf(state), kind: 'leaving' };
}

/** Draining, with the quiet time not begun. */
export function asDraining(state: MigrationState): MigrationState {
  return { ...baseOf(state), kind: 'draining' };
}

/** The state without other transports than the wanted one, which are still in the kernel. */
export function asRemoving(state: MigrationState): MigrationState {
  const [wanted, ...former] = state.known;
  return { ...baseOf(state), known: [wanted!], kind: 'removing', former };
}

/** The same state, and draining if it was removing: another change came before the kernel was done. */
export function withFormer(state: MigrationState): MigrationState {
  if (state.kind !== 'removing') return state;
  return { ...baseOf(state), known: [...state.known, ...state.former], kind: 'draining' };
}

/** The same state with other data of its transports, those that are being removed included. */
export function mapTransports(
  state: MigrationState,
  change: (transport: LocalTransport) => LocalTransport,
): MigrationState {
  const known = state.known.map(change);
  return state.kind === 'removing'
    ? { ...state, known, former: state.former.map(change) }
    : { ...state, known };
}

export function localTransport(backend: BackendConfig): LocalTransport {
  const transport = transportOf(backend);
  return { ...transport, id: transportId(transport), backend };
}

export function wantedOf({ known }: MigrationState): LocalTransport {
  return known[0]!;
}

/** The transport that the lease announces. */
export function announcedOf(state: MigrationState): LocalTransport {
  const wanted = wantedOf(state);
  if (state.kind !== 'preparing') return wanted;
  return state.known.find(({ id }) => id === state.announcedId) ?? wanted;
}

/** All transports that are received; the announced one last. */
export function receivedBy(state: MigrationState): readonly LocalTransport[] {
  const announced = announcedOf(state);
  return [...state.known.filter((transport) => transport !== announced), announced];
}

/** What the lease publishes beside the attributes of the announced transport. */
export function weftAttributesOf(state: MigrationState): LeaseAttributes['weft'] {
  const [announced, wanted] = [announcedOf(state), wantedOf(state)];
  const port = publishedPort(announced);
  // A transport that was advertised before stays advertised, also while it is only wanted.
  const others = state.known
    .filter((transport) => transport !== announced)
    .filter((transport) => transport !== wanted || state.advertised.has(transport.id));
  const leaving = (state.kind === 'removing' ? state.former : others).map(toLegacy);
  if (port === undefined && leaving.length === 0) return undefined;
  return {
    ...(port !== undefined && { port }),
    ...(leaving.length > 0 && { leaving }),
    ...(isDrained(state) && { isDrained: true }),
  };
}

/** Whether this host sends by the wanted transport alone, and the lease names others. */
function isDrained({ kind }: MigrationState): boolean {
  return kind === 'draining' || kind === 'removing';
}

function toLegacy(transport: LocalTransport): LegacyTransport {
  const port = publishedPort(transport);
  const { backendData, backendV6Data } = hasBackendData(transport) ? (transport.attributes ?? {}) : {};
  const { keyEpoch } = transport;
  return {
    backendType: transport.type === 'udp' ? '' : transport.type,
    ...(backendData !== undefined && { backendData }),
    ...(backendV6Data !== undefined && { backendV6Data }),
    ...(port !== undefined && { port }),
    ...(keyEpoch !== undefined && { keyEpoch }),
  };
}

function hasBackendData({ type }: LocalTransport): boolean {
  return type === 'vxlan' || type === 'extension' || type === 'wireguard';
}

/**
 * `config` with the backend of `transport`. Two transports of one VNI get devices named by port.
 */
export function configFor(
  { known }: MigrationState,
  config: NetworkConfig,
  transport: LocalTransport,
): NetworkConfig {
  const { backend } = transport;
  const first = known.find(({ type, vni }) => type === transport.type && vni === transport.vni);
  const hasUsualName = first?.id === transport.id;
  if (hasUsualName || (backend.type !== 'vxlan' && backend.type !== 'udp')) return { ...config, backend };
  return { ...config, backend: { ...backend, usesPortName: true } };
}

/**
 * The known transport that reaches a peer: the one that its lease announces, else one that it
 * leaves.
 */
export function findTransport(
  { known }: Pick<MigrationState, 'known'>,
  { attributes }: Pick<Lease, 'attributes'>,
): LocalTransport | undefined {
  return findTransports({ known }, { attributes })[0];
}

/**
 * All known transports that a peer receives, the one that it announces first. flannel says nothing
 * of the generation of its key, which it changes at once: each is possible.
 */
export function findTransports(
  { known }: Pick<MigrationState, 'known'>,
  { attributes }: Pick<Lease, 'attributes'>,
): readonly LocalTransport[] {
  const found = new Set<LocalTransport>();
  for (const advertised of [announcementOf(attributes), ...(attributes.weft?.leaving ?? [])]) {
    const isAny = advertised.backendType === 'wireguard' && advertised.keyEpoch === undefined;
    const candidates = isAny ? known.filter(({ type }) => type === 'wireguard') : [];
    for (const transport of candidates) found.add(transport);
    const transport = matchTransport(advertised, known);
    if (transport !== undefined) found.add(transport);
  }
  return [...found];
}

/** The announced transport of a lease. */
export function announcementOf(attributes: LeaseAttributes): LegacyTransport {
  const { backendType, backendData, backendV6Data, weft } = attributes;
  return {
    backendType,
    backendData,
    backendV6Data,
    ...(weft?.port !== undefined && { port: weft.port }),
    ...(weft?.keyEpoch !== undefined && { keyEpoch: weft.keyEpoch }),
  };
}

/** Whether a host may still send by other transports than the one that it announces. */
export function isLeaving({ attributes }: Lease): boolean {
  const { leaving = [], isDrained = false } = attributes.weft ?? {};
  return leaving.length > 0 && !isDrained;
}

/** Points on the clock at which an observation may change the state without any other cause. */
export function deadlinesMs(state: MigrationState): readonly number[] {
  const pointsMs: number[] = [];
  if (state.kind === 'draining' && state.quietSinceMs !== undefined)
    pointsMs.push(state.quietSinceMs + SETTLE_MS);
  if (state.kind !== 'steady' && state.kind !== 'removing' && state.timeoutMs > 0)
    pointsMs.push(state.wantedSinceMs + state.timeoutMs);
  return pointsMs;
}
