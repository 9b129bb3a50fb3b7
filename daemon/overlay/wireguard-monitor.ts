// What WireGuard itself knows of peers: when they last answered a handshake, from where, and how
// much went to and fro. Reads the devices that the reconciler wants: often while a migration waits
// for handshakes, else seldom, and never without such a device.
import type { Handshakes } from '../../backends/backend.ts';
import type { Clock } from '../../lib/clock.ts';
import { ControlLoop } from '../../lib/control-loop.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { WireguardPeerMessage } from '../kernel/wireguard/wireguard-model.ts';
import { SESSION_MS } from '../kernel/wireguard/wireguard-objects.ts';

const INTERVAL_MS = 10_000;
const MIGRATION_INTERVAL_MS = 200;
/** A handshake takes two round trips; the other host may not have known this one's key yet. */
const LATE_MS = 1_000;

/** A peer as WireGuard sees it. */
export interface WireguardPeerView extends WireguardPeerMessage {
  /** This host sends to it, and no handshake has been answered for the life of a session. */
  readonly isSilent: boolean;
  /** When it was read; unset before the first handshake. */
  readonly handshakeAgeMs?: number;
}

export interface WireguardMonitorOptions {
  readonly clock: Clock;
  readonly kernel: Pick<Kernel, 'readWireguard'>;
  /** Names of the devices that this host wants. */
  readonly devices: () => readonly string[];
  /** Whether a migration waits for handshakes. */
  readonly isHurried: () => boolean;
  /** A peer answered a handshake for the first time, or is late. */
  readonly onHandshake: () => void;
  /** Another peer is silent, or one is no longer. */
  readonly onChange: () => void;
  /** Wall time in ms since 1970; default `Date.now`. */
  readonly wallMs?: () => number;
}

export class WireguardMonitor implements Handshakes {
  readonly #options: WireguardMonitorOptions;
  readonly #loop: ControlLoop;
  readonly #answered = new Set<string>();
  /** When each peer was seen first, in ms of the clock. */
  readonly #sinceMs = new Map<string, number>();
  readonly #late = new Set<string>();
  #peers: ReadonlyMap<string, WireguardPeerView> = new Map();
  /** As read last. */
  #devices = '';
  #nextAtMs = Infinity;

  constructor(options: WireguardMonitorOptions) {
    this.#options = options;
    const deadlinesMs = (): readonly number[] => [this.#nextAtMs];
    this.#loop = new ControlLoop({ clock: options.clock, step: () => this.#step(), deadlinesMs });
  }

  /** Starts from what an earlier daemon left in `devices`: a peer that has answered stays answered. */
  async adopt(devices: readonly string[]): Promise<void> {
    await this.#read(devices).catch(() => undefined);
  }

  start(): void {
    this.#loop.start();
  }

  stop(): void {
    void this.#loop.stop();
  }

  /** The devices, or what the migration waits for, may have changed. */
  wake(): void {
    const { devices, isHurried } = this.#options;
    if (isHurried() || devices().join() !== this.#devices) this.#loop.wake();
  }

  has(dev: string, publicKey: string): boolean {
    return this.#answered.has(`${dev} ${publicKey}`);
  }

  isLate(dev: string, publicKey: string): boolean {
    return this.#late.has(`${dev} ${publicKey}`);
  }

  /** By device and key; as read last. */
  peerOf(dev: string, publicKey: string): WireguardPeerView | undefined {
    return this.#peers.get(`${dev} ${publicKey}`);
  }

  /** All peers by `DEVICE KEY`. */
  get peers(): ReadonlyMap<string, WireguardPeerView> {
    return this.#peers;
  }

  /** How many peers do not answer. */
  get silent(): number {
    return [...this.#peers.values()].filter(({ isSilent }) => isSilent).length;
  }

  async #step(): Promise<boolean> {
    const { clock, devices, isHurried, onChange, onHandshake } = this.#options;
    const names = devices();
    this.#devices = names.join();
    if (names.length === 0) {
      this.#peers = new Map();
      for (const known of [this.#answered, this.#late, this.#sinceMs]) known.clear();
      this.#nextAtMs = Infinity;
      return false;
    }
    const { silent } = this;
    // The next read succeeds, or the reconciler reports the device.
    const hasNews = await this.#read(names).catch(() => false);
    this.#nextAtMs = clock.nowMs() + (isHurried() ? MIGRATION_INTERVAL_MS : INTERVAL_MS);
    if (hasNews) onHandshake();
    if (this.silent !== silent) onChange();
    return false;
  }

  /** Whether a peer answered a handshake for the first time, or is late. */
  async #read(devices: readonly string[]): Promise<boolean> {
    const { kernel, wallMs = Date.now } = this.#options;
    const peers = new Map<string, WireguardPeerView>();
    let hasNews = false;
    for (const dev of devices)
      for (const peer of (await kernel.readWireguard(dev))?.peers ?? []) {
        const key = `${dev} ${peer.publicKey}`;
        if (this.#note(key, peer)) hasNews = true;
        peers.set(key, viewOf(peer, this.#peers.get(key), wallMs()));
      }
    this.#peers = peers;
    // A key that is gone may come back with another host behind it.
    for (const known of [this.#answered, this.#late, this.#sinceMs])
      for (const key of known.keys()) if (!peers.has(key)) known.delete(key);
    return hasNews;
  }

  /** Whether the peer answered for the first time, or is late. */
  #note(key: string, { lastHandshakeMs }: WireguardPeerMessage): boolean {
    const nowMs = this.#options.clock.nowMs();
    const sinceMs = this.#sinceMs.get(key) ?? nowMs;
    this.#sinceMs.set(key, sinceMs);
    const isLate = lastHandshakeMs === 0 && nowMs - sinceMs >= LATE_MS;
    const known = isLate ? this.#late : this.#answered;
    if (known.has(key) || (lastHandshakeMs === 0 && !isLate)) return false;
    known.add(key);
    return true;
  }
}

function viewOf(
  peer: WireguardPeerMessage,
  before: WireguardPeerView | undefined,
  nowMs: number,
): WireguardPeerView {
  const isSilent = hasFallenSilent(peer, before, nowMs);
  const handshakeAgeMs = Math.max(0, nowMs - peer.lastHandshakeMs);
  return { ...peer, isSilent, ...(peer.lastHandshakeMs > 0 && { handshakeAgeMs }) };
}

/** A peer that nothing is sent to need not answer: initiations count as sent, too. */
function hasFallenSilent(
  { lastHandshakeMs, txBytes }: WireguardPeerMessage,
  before: WireguardPeerView | undefined,
  nowMs: number,
): boolean {
  if (nowMs - lastHandshakeMs < SESSION_MS) return false;
  return before !== undefined && (before.isSilent || txBytes > before.txBytes);
}
