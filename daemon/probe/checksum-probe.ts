// Whether checksums that are left to network devices arrive right at one peer: datagrams to a
// closed port, some with a checksum that this kernel computed, some without. The peer's kernel
// answers those with a right checksum by an ICMP port unreachable (RFC 1122 §4.1.3.1), under
// flannel as well.
import type { IpAddress } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import type { NativeChecksumProbe, NativeEcho } from '../../native/index.ts';

/**
 * `bad`: every checksum of this kernel was answered and none of a device. `no-answer`: neither was.
 */
export type ProbeResult = 'good' | 'bad' | 'no-answer';

export interface ChecksumProbeOptions {
  readonly native: NativeChecksumProbe & Pick<NativeEcho, 'echoClose'>;
  readonly clock: Clock;
  /** Time limit of one answer, in ms; default 500. */
  readonly timeoutMs?: number;
  /**
   * Pairs that must agree before it is `bad`; default 3: the kernel answers six at once and then
   * one a second (icmp(7), icmp_ratelimit).
   */
  readonly attempts?: number;
}

/** discard (RFC 863): no process listens. */
const CLOSED_PORT = 9;
const FIRST_POLL_MS = 1;
/** Factor between two pauses: answers come at once or never. */
const POLL_GROWTH = 4;

/** Sends one datagram if the first is answered, else at most two an attempt. Never rejects. */
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
    for (let pauseMs = FIRST_POLL_MS; ; pauseMs *= POLL_GROWTH) {
      // Read before the answer: one that came in time counts, however late this poll is.
      const nowMs = clock.nowMs();
      if (native.checksumProbeRead(fd)) return true;
      if (nowMs >= deadlineMs) return false;
      await new Promise<void>((resolve) => clock.setTimer(Math.min(pauseMs, deadlineMs - nowMs), resolve));
    }
  } catch {
    // No route, a firewall of this host, no buffers: they say nothing about checksums.
    return false;
  } finally {
    if (fd !== undefined) native.echoClose(fd);
  }
}
