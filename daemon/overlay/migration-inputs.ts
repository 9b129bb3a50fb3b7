// What leases, config and facts about the host make of the state of a migration. Pure.
import type { BackendConfig, ExtensionConfig } from '../../allocator/config/config.ts';
import { DEFAULT_BACKEND } from '../../allocator/config/config-parse.ts';
import { DEFAULT_WIREGUARD } from '../../allocator/config/parse-wireguard.ts';
import type { Lease, LeaseAttributes, LegacyTransport } from '../../allocator/lease.ts';
import {
  decodeTransport,
  matchTransport,
  transportId,
  transportOf,
  type Transport,
} from '../../backends/transport.ts';
import { parseWireguardData } from '../../backends/wireguard/wireguard-backend-data.ts';
import { freeSlot, slotOfPort } from '../../backends/wireguard/wireguard-slot.ts';
import type { CanUse, Transition } from './migration-events.ts';
import {
  announcedOf,
  announcementOf,
  baseOf,
  isLeaving,
  localTransport,
  stateFor,
  wantedOf,
  withFormer,
  withKnown,
  type LocalTransport,
  type MigrationState,
} from './migration-state.ts';

const MAX_KNOWN = 5;
/** Only a config has the commands. */
const NO_COMMANDS: ExtensionConfig = {
  type: 'extension',
  preStartupCommand: '',
  postStartupCommand: '',
  shutdownCommand: '',
  subnetAddCommand: '',
  subnetRemoveCommand: '',
  isShell: false,
};

// ---------------------------------------------------------------------------------------

/**
 * Adopts what an earlier run published: its transport stays announced and received until the wanted
 * one is set up.
 */
export function start(
  state: MigrationState,
  published: LeaseAttributes | undefined,
  canUse: CanUse,
  nowMs: number,
): MigrationState {
  if (state.isStarted) return state;
  const adopted = published === undefined ? state : placeWanted(adopt(state, published), published);
  // Peers advertised transports before it was known which of them this host can use.
  const wanted = wantedOf(adopted);
  const known = adopted.known.filter((transport) => transport === wanted || canUse(transport.backend));
  return withKnown({ ...adopted, isStarted: true, wantedSinceMs: nowMs }, known);
}

/**
 * The wanted transport has the device that the lease names, or one that no other transport has: a
 * lease does not name what is only being set up.
 */
function placeWanted(state: MigrationState, published: LeaseAttributes): MigrationState {
  const [wanted, ...others] = state.known;
  if (wanted?.backend.type !== 'wireguard') return state;
  const advertised = [announcementOf(published), ...(published.weft?.leaving ?? [])].find(
    (each) => matchTransport(each, [wanted]) !== undefined,
  );
  const slot = freeSlot(others.map(({ backend }) => backend));
  const backend =
    advertised === undefined ? { ...wanted.backend, slot } : inPublishedSlot(wanted.backend, advertised);
  return withKnown(state, [{ ...wanted, backend }, ...others]);
}

function adopt(initial: MigrationState, published: LeaseAttributes): MigrationState {
  const { isDrained = false, leaving = [] } = published.weft ?? {};
  const wantedId = wantedOf(initial).id;
  const remembered = remember(initial, new Map([[wantedId, published]]));
  const admitAll = (from: MigrationState): MigrationState =>
    leaving.reduce((state, legacy) => admit(state, legacy, { published }), from);
  // An empty type has no data that says what it means: a reservation has it, for one.
  if (published.backendType === '') return admitAll(remembered);
  const announcement = announcementOf(published);
  const known = matchTransport(announcement, remembered.known);
  const withAnnounced =
    known === undefined
      ? admit(remembered, announcement, { published })
      : adoptAttributes(remembered, known.id, published);
  const announcedId = matchTransport(announcement, withAnnounced.known)?.id ?? wantedId;
  const base = baseOf(admitAll(withAnnounced));
  const advertised = new Set([...base.advertised, ...base.known.map(({ id }) => id)]);
  if (announcedId !== wantedId) advertised.delete(wantedId);
  return stateFor({ ...base, advertised }, { announcedId, isDrained });
}

export function want(from: MigrationState, backend: BackendConfig, nowMs: number): MigrationState {
  const state = localTransport(backend).id === wantedOf(from).id ? from : withFormer(from);
  const wanted = wantedTransport(state, backend);
  const announced = announcedOf(state);
  const others = state.known.filter(({ id }) => id !== wanted.id);
  const surplus =
    others.length < MAX_KNOWN ? undefined : others.findLast((transport) => transport !== announced);
  // Without packets there are none to lose.
  const isImmediate = wanted.type === 'alloc' || announced.type === 'alloc';
  const known = isImmediate ? [wanted] : [wanted, ...others.filter((transport) => transport !== surplus)];
  if (wantedOf(state).id === wanted.id) return withKnown(state, known);
  const base = { ...baseOf(state), known, wantedSinceMs: nowMs, abandoned: new Set<string>() };
  return stateFor(base, { announcedId: announced.id, isDrained: false });
}

/** A generation of keys keeps its device and port; another one has what no other has. */
function wantedTransport(state: MigrationState, backend: BackendConfig): LocalTransport {
  const attributes = attributesFor(state, backend);
  if (backend.type !== 'wireguard') return { ...localTransport(backend), ...attributes };
  const others = state.known.map((transport) => transport.backend);
  const same = others.find((other) => other.type === 'wireguard' && other.keyEpoch === backend.keyEpoch);
  const slot = same?.type === 'wireguard' ? (same.slot ?? 0) : freeSlot(others);
  return { ...localTransport(slot === 0 ? backend : { ...backend, slot }), ...attributes };
}

/**
 * Drops transports that this host cannot use, as no packet passes by them; not while the wanted one
 * is unusable, too.
 */
export function dropUnusable(state: MigrationState, canUse: CanUse): Transition {
  const wanted = wantedOf(state);
  if (!state.isStarted || !canUse(wanted.backend)) return { state, effects: [] };
  const dropped = state.known.filter((transport) => transport !== wanted && !canUse(transport.backend));
  if (dropped.length === 0) return { state, effects: [] };
  const known = state.known.filter((transport) => !dropped.includes(transport));
  const announced = announcedOf(state);
  const announcedId = known.includes(announced) ? announced.id : wanted.id;
  const advertised = new Set(state.advertised).add(announcedId);
  return {
    state: stateFor({ ...baseOf(state), known, advertised }, { announcedId, isDrained: false }),
    effects: dropped.map(({ id }) => ({ kind: 'report-dropped', transport: id })),
  };
}

/** Learns the transports that peers leave, since those still send and expect packets by them. */
export function learn(state: MigrationState, leases: readonly Lease[], canUse: CanUse): MigrationState {
  let learned = state;
  for (const lease of leases) {
    if (!isLeaving(lease)) continue;
    for (const legacy of lease.attributes.weft?.leaving ?? [])
      learned = admit(learned, legacy, state.isStarted ? { canUse } : {});
  }
  return learned;
}

interface Admission {
  /** Own attributes that name the transport. */
  readonly published?: LeaseAttributes;
  /**
   * A peer must not make this host receive a transport that it cannot use. Absent: no restriction.
   */
  readonly canUse?: CanUse;
}

/** Adds a transport that a lease names to the known ones, if there is room for it. */
function admit(
  state: MigrationState,
  legacy: LegacyTransport,
  { published, canUse = () => true }: Admission,
): MigrationState {
  const transport = decodeTransport(legacy);
  if (transport === undefined) return state;
  const id = transportId(transport);
  const attributes = published && { ...published, ...legacy };
  if (state.known.some((other) => other.id === id)) return adoptAttributes(state, id, attributes);
  if (state.abandoned.has(id)) return state;
  const full = withFormer(state);
  if (full.known.some((other) => other.id === id)) return full;
  const backend = backendFor(transport, full.known, attributes);
  if (full.known.length >= MAX_KNOWN || !canUse(backend)) return state;
  const added: LocalTransport = { ...transport, id, backend, ...(attributes && { attributes }) };
  const base = { ...baseOf(full), known: [...full.known, added] };
  return stateFor(base, { announcedId: announcedOf(full).id, isDrained: false });
}

/**
 * Gives a transport that was learned from a peer the attributes that this host published for it.
 */
function adoptAttributes(
  state: MigrationState,
  id: string,
  attributes: LeaseAttributes | undefined,
): MigrationState {
  const transport = state.known.find((other) => other.id === id);
  if (attributes === undefined || transport?.attributes !== undefined) return state;
  const placed = state.known.map((other) =>
    other.id === id ? { ...other, backend: inPublishedSlot(other.backend, attributes) } : other,
  );
  return remember({ ...state, known: placed }, new Map([[id, attributes]]));
}

export function remember(
  state: MigrationState,
  attributes: ReadonlyMap<string, LeaseAttributes>,
): MigrationState {
  const known = state.known.map((transport) => {
    const derived = attributes.get(transport.id);
    return derived === undefined ? transport : { ...transport, attributes: derived };
  });
  return { ...state, known };
}

/** Settings for a transport that only leases name: those of the config as far as they fit. */
function backendFor(
  { type, vni, port, keyEpoch = 0 }: Transport,
  known: readonly LocalTransport[],
  published: LeaseAttributes | undefined,
): BackendConfig {
  const like = known[0]!.backend;
  if (type === 'vxlan')
    return { ...(like.type === 'vxlan' ? like : DEFAULT_BACKEND), vni: vni!, port: port! };
  if (type === 'wireguard') {
    const backend = { ...(like.type === 'wireguard' ? like : DEFAULT_WIREGUARD), keyEpoch };
    if (published !== undefined) return inPublishedSlot(backend, published);
    return { ...backend, slot: freeSlot(known.map((transport) => transport.backend)) };
  }
  if (type === 'udp') return { type, port: port!, userspace: 'auto' };
  if (type === 'ipip') return { type, directRouting: 'directRouting' in like && like.directRouting };
  if (type === 'ipsec') return { type, psk: undefined, isUdpEncap: false, espProposal: '' };
  if (type === 'tencent-vpc') return { type, accessKeyId: '', accessKeySecret: undefined };
  return type === 'extension' ? NO_COMMANDS : { type };
}

/** A device that this host has already keeps its name and port, which its lease names. */
function inPublishedSlot(
  backend: BackendConfig,
  published: Pick<LeaseAttributes, 'backendData' | 'backendV6Data'>,
): BackendConfig {
  if (backend.type !== 'wireguard') return backend;
  const family = published.backendData === undefined ? 6 : 4;
  const parsed = parseWireguardData(published.backendData ?? published.backendV6Data);
  const slot = parsed.ok ? slotOfPort(backend, family, parsed.data.port ?? 0) : 0;
  return slot === (backend.slot ?? 0) ? backend : { ...backend, slot };
}

/**
 * What the wanted transport takes over from a known one: its own attributes, or the MAC of any
 * other.
 */
function attributesFor(
  { known }: MigrationState,
  backend: BackendConfig,
): Pick<LocalTransport, 'attributes'> {
  const id = transportId(transportOf(backend));
  const withAttributes = known.filter(({ attributes }) => attributes !== undefined);
  const { attributes } =
    withAttributes.find((transport) => transport.id === id) ??
    withAttributes.find(({ type }) => type === 'vxlan') ??
    {};
  return attributes === undefined ? {} : { attributes };
}
