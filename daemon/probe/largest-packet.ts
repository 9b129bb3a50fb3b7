// The largest packet that passes: tries the upper bound first, then what an error tells, then
// halves. Each size gets several echoes, as one that is lost for another reason must not count as
// too large. Knows no socket.
import type { EchoResult } from './echo-socket.ts';

export interface LargestSearch {
  /** IP packets, in bytes. Nothing is asked about sizes outside. */
  readonly minBytes: number;
  readonly maxBytes: number;
  /** Echoes of one size before it counts as too large. */
  readonly attempts: number;
  readonly send: (packetBytes: number) => Promise<EchoResult>;
}

export interface LargestPacket {
  /** Unset if not even the smallest passes. */
  readonly packetBytes?: number;
  /** Echoes that it took. */
  readonly sent: number;
}

/** At most `attempts` echoes for each of about 18 sizes. */
export async function findLargestPacket(search: LargestSearch): Promise<LargestPacket> {
  const { minBytes, maxBytes, attempts, send } = search;
  let sent = 0;
  /** Or the MTU according to whoever refused it; 0 if nobody said. */
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
    // What a liar tells, larger than what it refused, is no hint.
    else high = result.mtu >= minBytes && result.mtu < next ? Math.max(low, result.mtu) : next - 1;
    if (result !== true && result.mtu === high) next = high;
    // Before halving, whether anything passes at all: else a silent host would cost a time-out for
    // each size.
    else next = low < minBytes ? minBytes : Math.ceil((low + high) / 2);
  }
  return { ...(low >= minBytes && { packetBytes: low }), sent };
}
