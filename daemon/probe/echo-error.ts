// What went wrong with an echo, by the ICMP error that came for it (RFC 792, RFC 4443, RFC 8335).
// Pure.
import type { Family } from '../../lib/address.ts';
import type { EchoAnswer } from '../../native/index.ts';

export type EchoError =
  /**
   * A router or this host's own kernel (`by` unset: before it left the host) cannot carry a packet
   * of that size.
   */
  | { readonly kind: 'too-big'; readonly by?: string; readonly mtu?: number }
  /**
   * `by` says that there is no way; of this host itself if the next hop does not answer ARP or
   * neighbour discovery.
   */
  | { readonly kind: 'unreachable'; readonly by: string; readonly reason: string }
  | { readonly kind: 'time-exceeded'; readonly by: string }
  /** The kernel did not send it: no route, forbidden by the firewall and the like. */
  | { readonly kind: 'not-sent'; readonly code: string; readonly message: string };

const UNREACHABLE: Readonly<Record<Family, Readonly<Record<number, string>>>> = {
  4: {
    0: 'no route to the network',
    1: 'the host does not answer ARP',
    2: 'protocol unreachable',
    3: 'port unreachable',
    9: 'network prohibited',
    10: 'host prohibited',
    13: 'prohibited by a filter',
  },
  6: {
    0: 'no route',
    1: 'prohibited by a filter',
    2: 'beyond the scope of the source address',
    3: 'the host does not answer neighbour discovery',
    4: 'port unreachable',
    5: 'source address refused',
    6: 'route rejects it',
  },
};

const [IPV4_UNREACHABLE, IPV4_TIME_EXCEEDED, IPV4_FRAGMENTATION_NEEDED] = [3, 11, 4];
const [IPV6_UNREACHABLE, IPV6_TOO_BIG, IPV6_TIME_EXCEEDED] = [1, 2, 3];

export function describeEchoError(answer: EchoAnswer, family: Family): EchoError {
  const { type, code, mtu } = answer;
  const by = answer.from ?? 'an unknown router';
  const isTooBig =
    family === 4 ? type === IPV4_UNREACHABLE && code === IPV4_FRAGMENTATION_NEEDED : type === IPV6_TOO_BIG;
  if (isTooBig) return { kind: 'too-big', by, ...(mtu > 0 && { mtu }) };
  if (type === (family === 4 ? IPV4_TIME_EXCEEDED : IPV6_TIME_EXCEEDED)) return { kind: 'time-exceeded', by };
  const isUnreachable = type === (family === 4 ? IPV4_UNREACHABLE : IPV6_UNREACHABLE);
  const reason = isUnreachable ? UNREACHABLE[family][code] : undefined;
  return { kind: 'unreachable', by, reason: reason ?? `ICMP type ${type}, code ${code}` };
}

/** For example `198.18.0.1 says: no route to the network`. */
export function formatEchoError(error: EchoError): string {
  switch (error.kind) {
    case 'too-big': {
      const limit = error.mtu === undefined ? '' : `, the limit is ${error.mtu} bytes`;
      return error.by === undefined
        ? `larger than the MTU of the device${limit}`
        : `${error.by} says: too large${limit}`;
    }
    case 'unreachable':
      return `${error.by} says: ${error.reason}`;
    case 'time-exceeded':
      return `${error.by} says: time exceeded, packets may go in a circle`;
    case 'not-sent':
      return `not sent: ${error.message}`;
  }
}
