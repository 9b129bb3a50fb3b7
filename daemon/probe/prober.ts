// Probes addresses with ICMP echoes: loss, round trips, errors, and the largest packet that passes.
// `weft ping` and `weft doctor` use it. One socket a family, opened at the first echo.
import { setTimeout as sleep } from 'node:timers/promises';
import { familyOf, type Family, type IpAddress } from '../../lib/address.ts';
import { systemClock, type Clock } from '../../lib/clock.ts';
import { WeftError } from '../../api/errors.ts';
import type { NativeEcho } from '../../native/index.ts';
import { ECHO_HEADER_BYTES, EchoSocket, type EchoResult } from './echo-socket.ts';
import { findLargestPacket, type LargestPacket } from './largest-packet.ts';
import { reportOf, type ProbeReport } from './report.ts';

/** This host cannot send echoes. The message is one line with the remedy. */
export class ProbeError extends WeftError {
  constructor(message: string) {
    super('PROBE_FAILED', message);
  }
}

/** The addon, or why it is missing. */
export type EchoAddon =
  { readonly native: NativeEcho } | { readonly native: undefined; readonly reason: string };

export interface ProberOptions {
  readonly addon: EchoAddon;
  /** Default {@link systemClock}. */
  readonly clock?: Clock;
  /** Interface that echoes leave by; unset: by the routes. */
  readonly device?: string;
  /** TTL or hop limit; default: the kernel's. */
  readonly ttl?: number;
  /** Source addresses; default: the kernel's choice. */
  readonly sources?: Readonly<Partial<Record<Family, IpAddress>>>;
}

/** A series of echoes. */
export interface PingOptions {
  /** Echoes; default 3. */
  readonly count?: number;
  /** From one echo to the next, answered or not; default 1000. */
  readonly intervalMs?: number;
  /** Time limit of a reply; default 1000. */
  readonly timeoutMs?: number;
  /** IP packet with its header; default 84 for IPv4 and 104 for IPv6, as in ping(8). */
  readonly packetBytes?: number;
  /** Ends the series early. */
  readonly signal?: AbortSignal;
  /** Called for each echo when it is answered, lost or rejected; `sequence` from 1. */
  readonly onEcho?: (sequence: number, result: EchoResult) => void;
}

/** Payload of ping(8). */
export const DEFAULT_PAYLOAD_BYTES = 56;
/** Of an IP packet. */
const MAX_PACKET_BYTES = 65_535;
const LARGEST_ATTEMPTS = 3;
/** Shortest time limit of one echo in the search for the largest packet. */
const MIN_TIMEOUT_MS = 100;
/**
 * The kernel timestamps packets a moment after the first socket enables it (net_enable_timestamp).
 */
const TIMESTAMPS_BEGIN_MS = 20;

/** Sends echoes from this host. */
export class Prober {
  readonly #options: ProberOptions;
  readonly #sockets = new Map<Family, Promise<EchoSocket>>();

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  /**
   * Sends `count` echoes, one each `intervalMs`. When the signal aborts, reports those sent.
   * @throws ProbeError
   */
  async probe(address: IpAddress, options: PingOptions = {}): Promise<ProbeReport> {
    const { count = 3, intervalMs = 1000, timeoutMs = 1000, signal, onEcho } = options;
    const family = familyOf(address);
    const { packetBytes = ECHO_HEADER_BYTES[family] + DEFAULT_PAYLOAD_BYTES } = options;
    const socket = await this.#socketOf(family);
    const results: Promise<EchoResult>[] = [];
    for (let sequence = 1; sequence <= count; sequence++) {
      if (signal?.aborted === true) break;
      const result = socket.send(address, packetBytes, timeoutMs);
      results.push(result);
      if (onEcho) void result.then((known) => onEcho(sequence, known));
      if (sequence < count) await pause(intervalMs, signal);
    }
    return reportOf(address, await Promise.all(results));
  }

  /**
   * Largest IP packet, in bytes with its header, that is answered; at most `maxBytes`. Takes two
   * echoes where a device or router reports its MTU, else some dozens and a time-out for each size
   * that is lost.
   * @throws ProbeError
   */
  async findLargest(
    address: IpAddress,
    { maxBytes = MAX_PACKET_BYTES, timeoutMs = 500 }: { maxBytes?: number; timeoutMs?: number } = {},
  ): Promise<LargestPacket> {
    const family = familyOf(address);
    const socket = await this.#socketOf(family);
    const minBytes = ECHO_HEADER_BYTES[family];
    // Where replies come soon, a short time limit is enough for sizes that are too large.
    let currentTimeoutMs = timeoutMs;
    const send = async (packetBytes: number): Promise<EchoResult> => {
      const result = await socket.send(address, packetBytes, currentTimeoutMs);
      if (result.kind === 'reply')
        currentTimeoutMs = Math.min(timeoutMs, Math.max(MIN_TIMEOUT_MS, 10 * result.rttMs));
      return result;
    };
    return findLargestPacket({ minBytes, maxBytes, attempts: LARGEST_ATTEMPTS, send });
  }

  /**
   * Opens the sockets for `addresses`, to report errors before the first echo.
   * @throws ProbeError
   */
  async open(addresses: readonly IpAddress[]): Promise<void> {
    await Promise.all([...new Set(addresses.map(familyOf))].map((family) => this.#socketOf(family)));
  }

  /** Ends pending echoes as lost. The prober stays usable. */
  close(): void {
    // The caller of a failed opening has its error.
    for (const opening of this.#sockets.values())
      void opening.then((socket) => socket.close()).catch(() => undefined);
    this.#sockets.clear();
  }

  #socketOf(family: Family): Promise<EchoSocket> {
    const known = this.#sockets.get(family);
    if (known !== undefined) return known;
    const opening = openSocket(this.#options, family);
    this.#sockets.set(family, opening);
    // The next attempt may succeed.
    opening.catch(() => this.#sockets.delete(family));
    return opening;
  }
}

async function openSocket(options: ProberOptions, family: Family): Promise<EchoSocket> {
  const { clock = systemClock, device, sources, ttl } = options;
  const source = sources?.[family];
  const native = nativeOf(options.addon);
  try {
    const socket = new EchoSocket({
      native,
      clock,
      family,
      ...(device && { device }),
      ...(source && { source }),
      ...(ttl !== undefined && { ttl }),
    });
    await sleep(TIMESTAMPS_BEGIN_MS);
    return socket;
  } catch (error) {
    throw new ProbeError(describeOpenError(error as NodeJS.ErrnoException, options, family));
  }
}

function nativeOf(addon: EchoAddon): NativeEcho {
  if (addon.native === undefined) throw new ProbeError(`Probing needs weft's addon: ${addon.reason}`);
  return addon.native;
}

function describeOpenError(
  { code, message }: NodeJS.ErrnoException,
  options: ProberOptions,
  family: Family,
): string {
  const what = `Cannot send ICMP echoes over IPv${family}`;
  if (code === 'EACCES' || code === 'EPERM')
    return `${what}: the process lacks CAP_NET_RAW; run as root, or add the capability (systemd: AmbientCapabilities=CAP_NET_RAW, containers: --cap-add NET_RAW)`;
  if (code === 'EADDRNOTAVAIL')
    return `${what} from ${options.sources?.[family]}: no interface of this host has that address`;
  if (code === 'ENODEV') return `${what}: there is no interface ${options.device}`;
  return `${what}: ${message}`;
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  // The caller checks the signal.
  await sleep(ms, undefined, signal && { signal }).catch(() => undefined);
}
