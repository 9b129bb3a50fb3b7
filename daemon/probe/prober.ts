// Probes addresses with ICMP echoes: loss, round trips, errors, and the largest packet that passes.
// `weft ping`, `weft doctor` and the daemon's own probing are made of it. One socket a family,
// opened at the first echo.
import { setTimeout as sleep } from 'node:timers/promises';
import { familyOf, type Family, type IpAddress } from '../../lib/address.ts';
import { systemClock, type Clock } from '../../lib/clock.ts';
import { loadNative, type NativeEcho } from '../../native/index.ts';
import { ECHO_HEADER_BYTES, EchoSocket, type EchoResult } from './echo-socket.ts';
import { findLargestPacket, type LargestPacket } from './largest-packet.ts';
import { reportOf, type ProbeReport } from './report.ts';

/** Why nothing can be probed on this host. One line with the remedy. */
export class ProbeError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ProbeError';
  }
}

export interface ProberOptions {
  /** Default: the addon's. */
  readonly native?: NativeEcho;
  readonly clock?: Clock;
  /** Interface that echoes leave by; unset: as routes say. */
  readonly device?: string;
  /** Routers that echoes may pass; default: as the kernel has it. */
  readonly ttl?: number;
  /** Source addresses; of a family that has none, as the kernel picks it. */
  readonly sources?: Readonly<Partial<Record<Family, IpAddress>>>;
}

export interface PingOptions {
  /** Default 3. */
  readonly count?: number;
  /** From one echo to the next, whether it was answered or not; default 1000. */
  readonly intervalMs?: number;
  /** How long a reply may take; default 1000. */
  readonly timeoutMs?: number;
  /** IP packet with its header; default 84 for IPv4 and 104 for IPv6, as of ping(8). */
  readonly packetBytes?: number;
  readonly signal?: AbortSignal;
  /** Called for each echo as it is answered, lost or refused; `sequence` from 1. */
  readonly onEcho?: (sequence: number, result: EchoResult) => void;
}

/** Payload of ping(8). */
export const DEFAULT_PAYLOAD_BYTES = 56;
/** Of an IP packet. */
const MAX_PACKET_BYTES = 65_535;
const LARGEST_ATTEMPTS = 3;
/** Of the search for the largest packet, for one echo. */
const MIN_TIMEOUT_MS = 100;
/**
 * The kernel begins to note times a moment after the first socket asks for it
 * (net_enable_timestamp); before, it takes the time of the look.
 */
const TIMES_BEGIN_MS = 20;

export class Prober {
  readonly #options: ProberOptions;
  readonly #sockets = new Map<Family, Promise<EchoSocket>>();

  constructor(options: ProberOptions = {}) {
    this.#options = options;
  }

  /**
   * `count` echoes, one each `intervalMs`. Stopped by the signal it reports what there is.
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
   * Largest IP packet, in bytes with its header, that comes back whole; of at most `maxBytes`.
   * Takes two echoes where a device or router says its MTU, else some dozens and a time-out for
   * each size that is lost.
   * @throws ProbeError
   */
  async findLargest(
    address: IpAddress,
    { maxBytes = MAX_PACKET_BYTES, timeoutMs = 500 }: { maxBytes?: number; timeoutMs?: number } = {},
  ): Promise<LargestPacket> {
    const family = familyOf(address);
    const socket = await this.#socketOf(family);
    const minBytes = ECHO_HEADER_BYTES[family];
    // Where answers come soon, nothing is gained by waiting long for each size that is too large.
    let currentTimeoutMs = timeoutMs;
    const send = async (packetBytes: number): Promise<EchoResult> => {
      const result = await socket.send(address, packetBytes, currentTimeoutMs);
      if (result.kind === 'reply')
        currentTimeoutMs = Math.min(timeoutMs, Math.max(MIN_TIMEOUT_MS, 10 * result.rttMs));
      return result;
    };
    return findLargestPacket({ minBytes, maxBytes, attempts: LARGEST_ATTEMPTS, send });
  }

  /** Opens what `addresses` take, so that it shows whether that can be done. @throws ProbeError */
  async open(addresses: readonly IpAddress[]): Promise<void> {
    await Promise.all([...new Set(addresses.map(familyOf))].map((family) => this.#socketOf(family)));
  }

  /** Ends what is under way, as lost. It may be used again. */
  close(): void {
    // One that could not be opened has told whoever asked.
    for (const opening of this.#sockets.values())
      void opening.then((socket) => socket.close()).catch(() => undefined);
    this.#sockets.clear();
  }

  #socketOf(family: Family): Promise<EchoSocket> {
    const known = this.#sockets.get(family);
    if (known !== undefined) return known;
    const opening = openSocket(this.#options, family);
    this.#sockets.set(family, opening);
    // The next try may have the right to.
    opening.catch(() => this.#sockets.delete(family));
    return opening;
  }
}

async function openSocket(options: ProberOptions, family: Family): Promise<EchoSocket> {
  const { clock = systemClock, device, sources, ttl } = options;
  const source = sources?.[family];
  const native = options.native ?? nativeEcho();
  try {
    const socket = new EchoSocket({
      native,
      clock,
      family,
      ...(device && { device }),
      ...(source && { source }),
      ...(ttl !== undefined && { ttl }),
    });
    await sleep(TIMES_BEGIN_MS);
    return socket;
  } catch (error) {
    throw new ProbeError(explain(error as NodeJS.ErrnoException, options, family));
  }
}

function nativeEcho(): NativeEcho {
  const loaded = loadNative();
  if (loaded.native === undefined) throw new ProbeError(`Probing needs weft's addon: ${loaded.reason}`);
  return loaded.native;
}

function explain({ code, message }: NodeJS.ErrnoException, options: ProberOptions, family: Family): string {
  const what = `Cannot send ICMP echoes over IPv${family}`;
  if (code === 'EACCES' || code === 'EPERM')
    return `${what}: the process lacks CAP_NET_RAW; run as root, or add the capability (systemd: AmbientCapabilities=CAP_NET_RAW, containers: --cap-add NET_RAW)`;
  if (code === 'EADDRNOTAVAIL')
    return `${what} from ${options.sources?.[family]}: no interface of this host has that address`;
  if (code === 'ENODEV') return `${what}: there is no interface ${options.device}`;
  return `${what}: ${message}`;
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  // Aborted: whoever called looks at the signal.
  await sleep(ms, undefined, signal && { signal }).catch(() => undefined);
}
