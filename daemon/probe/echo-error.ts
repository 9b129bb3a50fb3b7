// Errors of echoes, by the ICMP error that answered them (RFC 792, RFC 1812, RFC 4443). Pure.
import type { Family } from '../../lib/address.ts';
import type { EchoAnswer } from '../../native/index.ts';

/** Why an echo has no reply. `by` is the address that sent the error. */
export type EchoError =
  /** Larger than an MTU, in bytes: of a router, or of this host's device if `by` is unset. */
  | { readonly kind: 'too-big'; readonly by?: string; readonly mtu?: number }
  /**
   * Destination unreachable; `by` this host if the next hop does not answer ARP or neighbour
   * discovery.
   */
  | { readonly kind: 'unreachable'; readonly by: string; readonly reason: string }
  /** The TTL ended at `by`. */
  | { readonly kind: 'time-exceeded'; readonly by: string }
  /**
   * The kernel did not send it, for example without a route or by a firewall rule; `code` is an
   * errno name.
   */
  | { readonly kind: 'not-sent'; readonly code: string; readonly message: string };

/** Texts by code of destination unreachable: RFC 792 and RFC 1812 §5.2.7.1; RFC 4443 §3.1. */
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

/** ICMP types, and the code for "fragmentation needed" (RFC 1191). */
const [IPV4_UNREACHABLE, IPV4_TIME_EXCEEDED, IPV4_FRAGMENTATION_NEEDED] = [3, 11, 4];
const [IPV6_UNREACHABLE, IPV6_TOO_BIG, IPV6_TIME_EXCEEDED] = [1, 2, 3];

/** The error of an answer of kind `error`. */
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

/** One line, for example `198.18.0.1 says: no route to the network`. */
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
