// The largest packet that passes: tries the upper bound first, then the MTU in an error (RFC 1191,
// RFC 8201), then bisects. Each size gets several echoes, as one lost for another reason must not
// count as too large. Knows no socket.
import type { EchoResult } from './echo-socket.ts';

export interface LargestSearch {
  /** Bounds of the IP packets, in bytes; both included. */
  readonly minBytes: number;
  readonly maxBytes: number;
  /** Echoes of one size before it counts as too large. */
  readonly attempts: number;
  readonly send: (packetBytes: number) => Promise<EchoResult>;
}

export interface LargestPacket {
  /** Unset if not even the smallest passes. */
  readonly packetBytes?: number;
  /** Echoes sent. */
  readonly sent: number;
}

/** At most `attempts` echoes for each of about 18 sizes. */
export async function findLargestPacket(search: LargestSearch): Promise<LargestPacket> {
  const { minBytes, maxBytes, attempts, send } = search;
  let sent = 0;
  /** Else the MTU that an error named, or 0. */
  const passes = async (packetBytes: number): Promise<true | { mtu: number }> => {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const result = await send(packetBytes);
      sent++;
      if (result.kind === 'reply') return true;
      if (result.kind === 'error' && result.error.kind === 'too-big') return { mtu: result.error.mtu ?? 0 };
    }
    return { mtu: 0 };
  };
  let low = minBytes - 1;
  let high = maxBytes;
  let next = high;
  while (low < high) {
    const result = await passes(next);
    if (result === true) low = next;
    // An MTU outside the search, or not below the rejected size, is ignored.
    else high = result.mtu >= minBytes && result.mtu < next ? Math.max(low, result.mtu) : next - 1;
    if (result !== true && result.mtu === high) next = high;
    // The smallest size goes before bisection: else a host without replies would cost a time-out a
    // size.
    else next = low < minBytes ? minBytes : Math.ceil((low + high) / 2);
  }
  return { ...(low >= minBytes && { packetBytes: low }), sent };
}
