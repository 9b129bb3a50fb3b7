// Whether checksums that are left to network devices arrive right at one peer: datagrams to a
// closed port of it, some with a checksum that this kernel computed, some without. A peer's kernel,
// flannel's hosts' too, answers whichever it finds right.
import type { IpAddress } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import type { NativeChecksumProbe, NativeEcho } from '../../native/index.ts';

/**
 * `bad`: every checksum of this kernel was answered and none of a device. `silent`: the peer tells
 * nothing.
 */
export type ProbeResult = 'good' | 'bad' | 'no-answer';

export interface ChecksumProbeOptions {
  readonly native: NativeChecksumProbe & Pick<NativeEcho, 'echoClose'>;
  readonly clock: Clock;
  /** How long an answer may take, in ms; default 500. */
  readonly timeoutMs?: number;
  /**
   * Pairs that must agree before it is `bad`; default 3, as the kernel answers six at once and then
   * one a second (icmp(7), icmp_ratelimit).
   */
  readonly attempts?: number;
}

/** discard(9): nobody listens. */
const CLOSED_PORT = 9;
const FIRST_LOOK_MS = 1;
/**
 * Answers come at once or never, and nobody waits for them: each look is made after so many times
 * as long as the one before.
 */
const LOOK_GROWTH = 4;

/** One datagram if all is well, else at most two an attempt. Never rejects. */
export async function probeChecksums(
  address: IpAddress,
  options: ChecksumProbeOptions,
): Promise<ProbeResult> {
  const { attempts = 3 } = options;
  for (let attempt = 0; attempt < attempts; attempt++) {
    if (await isAnswered(address, false, options)) return 'good';
    if (!(await isAnswered(address, true, options))) return 'no-answer';
  }
  return 'bad';
}

async function isAnswered(
  address: IpAddress,
  isInSoftware: boolean,
  { native, clock, timeoutMs = 500 }: ChecksumProbeOptions,
): Promise<boolean> {
  const deadlineMs = clock.nowMs() + timeoutMs;
  let fd: number | undefined;
  try {
    fd = native.checksumProbeSend(address, CLOSED_PORT, isInSoftware);
    for (let pauseMs = FIRST_LOOK_MS; ; pauseMs *= LOOK_GROWTH) {
      // Before what is read: an answer that was there in time counts, however late this look is.
      const nowMs = clock.nowMs();
      if (native.checksumProbeRead(fd)) return true;
      if (nowMs >= deadlineMs) return false;
      await new Promise<void>((resolve) => clock.setTimer(Math.min(pauseMs, deadlineMs - nowMs), resolve));
    }
  } catch {
    // No route, a firewall of this host, no buffers: nothing is known by that.
    return false;
  } finally {
    if (fd !== undefined) native.echoClose(fd);
  }
}
