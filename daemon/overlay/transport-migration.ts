// Which ways to reach hosts this host knows, which one it announces, and when it may give one up: the state machine of a
// change of VNI, port or backend while everything runs. It sees leases and the clock, and decides; it touches nothing.
//
//   state      means                                                       leaves it
//   steady     one way is known                                            another is wanted ► preparing;
//                                                                          a peer says that it leaves one ► leaving
//   preparing  the wanted way is being made; the old one is announced      all of it is in the kernel ► leaving
//   leaving    the wanted way is announced, with what may still be sent     all peers announce the wanted way, and the
//              in; each peer is sent to as it announces                    kernel follows ► draining
//   draining   nothing but the wanted way is sent in, and the lease says   no peer leaves anything any more, and
//              so; others may still send in the old one                    SETTLE_MS passed ► steady
//
// In each state all known ways are received. Whatever a peer says may lead back to an earlier state. After the time-out the
// others are waited for no longer: draining and steady follow at once.
import type { Clock } from '../../lib/clock.ts';
import type { BackendConfig, NetworkConfig } from '../../allocator/config/config.ts';
import { DEFAULT_BACKEND } from '../../allocator/config/config-parse.ts';
import type { Lease, LeaseAttributes, LegacyTransport } from '../../allocator/lease.ts';
import {
  matchTransport,
  publishedPort,
  decodeTransport,
  transportId,
  transportOf,
  type Transport,
} from '../../backends/transport.ts';

export interface LocalTransport extends Transport {
  readonly name: string;
  /** Settings with which this host goes that way. */
  readonly backend: BackendConfig;
  /** What this host publishes, or published last, in that way; keeps its MAC. */
  readonly attributes?: LeaseAttributes;
}

export type WayState = 'steady' | 'preparing' | 'leaving' | 'draining';

/** What {@link TransportMigration.advance} asks for. */
export interface Advance {
  readonly mustPublish: boolean;
  readonly mustDerive: boolean;
}

export interface Situation {
  /** The kernel holds all that was derived last. */
  readonly isSettled: boolean;
  /** What {@link TransportMigration.leaving} and {@link TransportMigration.announced} say is what the registry shows of this host. */
  readonly isPublished: boolean;
}

/** How a peer differs from what is wanted. */
interface Straggler {
  /** It announces another known way. */
  readonly isBehind: boolean;
}

/** For what is under way between hosts, and in their queues, when the last of them has changed over. */
export const SETTLE_MS = 500;
const MAX_KNOWN = 5;
const NOTHING: Advance = { mustPublish: false, mustDerive: false };

export class TransportMigration {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  /** The wanted one first, then the latest. */
  #known: readonly LocalTransport[];
  #announced: string;
  #isLeaving = false;
  #canGo: (backend: BackendConfig) => boolean = () => true;
  #hasBegun = false;
  #sinceMs = 0;
  #quietSinceMs: number | undefined;
  readonly #peers = new Map<string, Lease>();
  readonly #stragglers = new Map<string, Straggler>();
  /** Known ways that peers may have heard of from this host. */
  readonly #wasAnnounced = new Set<string>();
  /** TransportMigration that were given up before all had left them. */
  readonly #abandoned = new Set<string>();

  /** @param timeoutMs - how long to wait for others; 0 means for ever. */
  constructor(backend: BackendConfig, clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#known = [known(backend)];
    this.#announced = this.wanted.name;
    this.#wasAnnounced.add(this.#announced);
  }

  get wanted(): LocalTransport {
    return this.#known[0]!;
  }

  get announced(): LocalTransport {
    return this.#known.find(({ name }) => name === this.#announced) ?? this.wanted;
  }

  /** All that are received; the announced one last. */
  get all(): readonly LocalTransport[] {
    const { announced } = this;
    return [...this.#known.filter((way) => way !== announced), announced];
  }

  get state(): WayState {
    if (this.#known.length === 1) return 'steady';
    if (this.#announced !== this.wanted.name) return 'preparing';
    return this.#isLeaving ? 'leaving' : 'draining';
  }

  /** Peers that are waited for. */
  get stragglers(): readonly string[] {
    return [...this.#stragglers.keys()];
  }

  /** What the lease says beside the announced way's own attributes. */
  get weft(): LeaseAttributes['weft'] {
    const port = publishedPort(this.announced);
    // What was announced before is received still, or again, also while it is only wanted.
    const isTold = (way: LocalTransport): boolean => way !== this.wanted || this.#wasAnnounced.has(way.name);
    const others = this.#known.filter((way) => way !== this.announced && isTold(way));
    const leaving = others.map(toLeaving);
    if (port === undefined && leaving.length === 0) return undefined;
    return {
      ...(port !== undefined && { port }),
      ...(leaving.length > 0 && { leaving }),
      ...(this.state === 'draining' && { isDrained: true }),
    };
  }

  /** `config` as it is for `way`. */
  configFor(config: NetworkConfig, way: LocalTransport): NetworkConfig {
    const namesake = this.#known.find((other) => other.type === way.type && other.vni === way.vni);
    const { backend } = way;
    if (namesake?.name === way.name || (backend.type !== 'vxlan' && backend.type !== 'udp'))
      return { ...config, backend };
    return { ...config, backend: { ...backend, usesPortName: true } };
  }

  /** Which known way leads to a host with such a lease: the one that it announces, or one that it is leaving. */
  find({ attributes }: Pick<Lease, 'attributes'>): LocalTransport | undefined {
    for (const told of [announcementOf(attributes), ...(attributes.weft?.leaving ?? [])]) {
      const way = matchTransport(told, this.#known);
      if (way !== undefined) return way;
    }
    return undefined;
  }

  /** Keeps what is published in a way. */
  remember(name: string, attributes: LeaseAttributes): void {
    this.#known = this.#known.map((way) => (way.name === name ? { ...way, attributes } : way));
  }

  /** Another backend is wanted. */
  want(backend: BackendConfig): void {
    const wanted = { ...known(backend), ...this.#inherit(backend) };
    const before = this.wanted.name;
    const others = this.#known.filter(({ name }) => name !== wanted.name);
    const surplus = others.length < MAX_KNOWN ? undefined : others.findLast((way) => way !== this.announced);
    this.#known = [wanted, ...others.filter((way) => way !== surplus)];
    // Without packets there is nothing to lose.
    if (wanted.type === 'alloc' || this.announced.type === 'alloc') this.#known = [wanted];
    if (this.#known.length === 1) this.#announced = wanted.name;
    if (before === wanted.name) return;
    this.#sinceMs = this.#clock.nowMs();
    this.#isLeaving = this.#known.length > 1;
    this.#abandoned.clear();
    this.#judgeAll();
  }

  /** Takes up what an earlier run published: its way is announced and received until the wanted one is there. */
  begin(previous: LeaseAttributes | undefined, canGo: (backend: BackendConfig) => boolean): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#canGo = canGo;
    this.#sinceMs = this.#clock.nowMs();
    if (previous !== undefined) this.#takeUp(previous);
    // Peers told of their ways before it was known which of them this host can go.
    this.#known = this.#known.filter((way) => way === this.wanted || canGo(way.backend));
    this.#judgeAll();
  }

  #takeUp(previous: LeaseAttributes): void {
    this.remember(this.wanted.name, previous);
    const leaving = previous.weft?.leaving ?? [];
    // Without data nobody knows what it means: a reservation, for one.
    if (previous.backendType === '') return leaving.forEach((told) => this.#admit(told, previous));
    const told = announcementOf(previous);
    this.#announced =
      matchTransport(told, this.#known)?.name ?? this.#admit(told, previous) ?? this.wanted.name;
    for (const one of leaving) this.#admit(one, previous);
    for (const { name } of this.#known) this.#wasAnnounced.add(name);
    if (this.#announced !== this.wanted.name) this.#wasAnnounced.delete(this.wanted.name);
    this.#isLeaving = this.#known.length > 1 && previous.weft?.isDrained !== true;
  }

  /**
   * Gives up ways that this host cannot go any more, as nothing comes or goes by them, unless it can go no other. Returns
   * their names.
   */
  forgo(): readonly string[] {
    if (!this.#hasBegun || !this.#canGo(this.wanted.backend)) return [];
    const lost = this.#known.filter((way) => way !== this.wanted && !this.#canGo(way.backend));
    if (lost.length === 0) return [];
    this.#known = this.#known.filter((way) => !lost.includes(way));
    this.#announced = this.announced.name;
    this.#wasAnnounced.add(this.#announced);
    this.#isLeaving = this.#known.length > 1;
    this.#judgeAll();
    return lost.map(({ name }) => name);
  }

  /** A lease of a peer came, changed or went. Returns whether other ways are known by that. */
  note(key: string, peer: Lease | undefined): boolean {
    const before = this.#known;
    if (peer === undefined) this.#peers.delete(key);
    else this.#peers.set(key, peer);
    if (isLeaving(peer)) for (const leaving of peer?.attributes.weft?.leaving ?? []) this.#admit(leaving);
    const isOther = this.#known !== before;
    if (isOther) this.#judgeAll();
    else this.#judge(key, peer);
    return isOther;
  }

  /** Goes on as far as it can; to be called again whenever a lease, the kernel or the time is another. */
  advance({ isSettled, isPublished }: Situation): Advance {
    // Another way came in between: quiet begins anew.
    if (this.state !== 'draining') this.#quietSinceMs = undefined;
    switch (this.state) {
      case 'steady':
        return NOTHING;
      case 'preparing':
        if (!isSettled) return NOTHING;
        this.#announced = this.wanted.name;
        this.#wasAnnounced.add(this.#announced);
        this.#isLeaving = true;
        return { mustPublish: true, mustDerive: true };
      case 'leaving':
        if (!this.#isOver && (!isSettled || this.#hasAnyBehind)) return NOTHING;
        this.#isLeaving = false;
        return { mustPublish: true, mustDerive: false };
      case 'draining':
        return this.#drain(isPublished);
    }
  }

  /** When to call {@link advance} for no other reason, on the clock given; `undefined` if never. */
  get dueMs(): number | undefined {
    const points = [];
    if (this.#quietSinceMs !== undefined) points.push(this.#quietSinceMs + SETTLE_MS);
    if (this.#known.length > 1 && this.#timeoutMs > 0 && !this.#isOver) points.push(this.#endMs);
    return points.length === 0 ? undefined : Math.min(...points);
  }

  get #endMs(): number {
    return this.#sinceMs + this.#timeoutMs;
  }

  /** Nobody is waited for any more. */
  get #isOver(): boolean {
    return this.#timeoutMs > 0 && this.#clock.nowMs() >= this.#endMs;
  }

  get #hasAnyBehind(): boolean {
    for (const { isBehind } of this.#stragglers.values()) if (isBehind) return true;
    return false;
  }

  #drain(isPublished: boolean): Advance {
    if (this.#hasAnyBehind && !this.#isOver) {
      this.#quietSinceMs = undefined;
      this.#isLeaving = true;
      return { mustPublish: true, mustDerive: true };
    }
    if (!isPublished || (this.#stragglers.size > 0 && !this.#isOver)) {
      this.#quietSinceMs = undefined;
      return { mustPublish: !isPublished, mustDerive: false };
    }
    this.#quietSinceMs ??= this.#clock.nowMs();
    if (this.#clock.nowMs() < this.#quietSinceMs + SETTLE_MS) return NOTHING;
    this.#quietSinceMs = undefined;
    if (this.#stragglers.size > 0) for (const { name } of this.#known.slice(1)) this.#abandoned.add(name);
    this.#known = [this.wanted];
    this.#wasAnnounced.clear();
    this.#wasAnnounced.add(this.wanted.name);
    this.#stragglers.clear();
    return { mustPublish: true, mustDerive: true };
  }

  /** Which ways are known decides what a peer waits for. */
  #judgeAll(): void {
    this.#stragglers.clear();
    for (const [key, peer] of this.#peers) this.#judge(key, peer);
  }

  #judge(key: string, peer: Lease | undefined): void {
    const way = peer && this.find(peer);
    const isBehind = way !== undefined && way.name !== this.wanted.name;
    if (this.#known.length > 1 && (isBehind || isLeaving(peer))) this.#stragglers.set(key, { isBehind });
    else this.#stragglers.delete(key);
  }

  /** Knows a way that a lease tells of from now on. Returns its name. */
  #admit(told: LegacyTransport, attributes?: LeaseAttributes): string | undefined {
    const way = decodeTransport(told);
    if (way === undefined) return undefined;
    const name = transportId(way);
    const isKnown = this.#known.some((other) => other.name === name);
    if (isKnown || this.#abandoned.has(name) || this.#known.length >= MAX_KNOWN)
      return isKnown ? name : undefined;
    const backend = backendFor(way, this.wanted.backend);
    // What a peer says must not take this host a way that it cannot go.
    if (attributes === undefined && !this.#canGo(backend)) return undefined;
    const published = attributes && { ...attributes, ...told };
    this.#known = [...this.#known, { ...way, name, backend, ...(published && { attributes: published }) }];
    if (this.#announced === this.wanted.name) this.#isLeaving = true;
    return name;
  }

  /** What the wanted way takes over from a way that is known: its own attributes, or the MAC of any other. */
  #inherit(backend: BackendConfig): Pick<LocalTransport, 'attributes'> {
    const name = transportId(transportOf(backend));
    const { attributes } =
      this.#known.find((way) => way.name === name && way.attributes !== undefined) ??
      this.#known.find((way) => way.type === 'vxlan' && way.attributes !== undefined) ??
      {};
    return attributes === undefined ? {} : { attributes };
  }
}

/** Whether a host may still send in other ways than it announces. */
function isLeaving(peer: Lease | undefined): boolean {
  const { leaving = [], isDrained = false } = peer?.attributes.weft ?? {};
  return leaving.length > 0 && !isDrained;
}

function known(backend: BackendConfig): LocalTransport {
  const way = transportOf(backend);
  return { ...way, name: transportId(way), backend };
}

/** Settings for a way that only leases tell of: the config's own as far as they fit. */
function backendFor({ type, vni, port }: Transport, like: BackendConfig): BackendConfig {
  if (type === 'vxlan')
    return { ...(like.type === 'vxlan' ? like : DEFAULT_BACKEND), vni: vni!, port: port! };
  return type === 'udp' ? { type, port: port! } : { type };
}

function announcementOf({ backendType, backendData, backendV6Data, weft }: LeaseAttributes): LegacyTransport {
  return { backendType, backendData, backendV6Data, ...(weft?.port !== undefined && { port: weft.port }) };
}

function toLeaving(way: LocalTransport): LegacyTransport {
  const port = publishedPort(way);
  const { backendData, backendV6Data } = way.type === 'vxlan' ? (way.attributes ?? {}) : {};
  return {
    backendType: way.type === 'udp' ? '' : way.type,
    ...(backendData !== undefined && { backendData }),
    ...(backendV6Data !== undefined && { backendV6Data }),
    ...(port !== undefined && { port }),
  };
}
