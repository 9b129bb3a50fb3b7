// Policies of IPsec in the kernel, as `ip xfrm policy` prints them, and the one that decides about a
// packet. Pure.
import type { Cidr, IpAddress } from '../../lib/address.ts';
import { inRange } from './address-match.ts';

export type XfrmDirection = 'in' | 'out' | 'fwd';

export interface XfrmPolicy {
  /** As printed: `src 10.5.0.0/16 dst 10.6.0.0/16 proto udp dport 8472`. */
  readonly selector: string;
  readonly source: Cidr;
  readonly target: Cidr;
  readonly protocol?: string;
  readonly port?: number;
  readonly direction: XfrmDirection;
  readonly isBlocking: boolean;
  readonly priority: number;
  /** Encrypts: it has a template. */
  readonly hasTemplate: boolean;
}

/** Parses `ip xfrm policy`. Policies of sockets have no direction of these. */
export function parseXfrmPolicies(text: string): readonly XfrmPolicy[] {
  return text.split(/^(?=src )/m).flatMap((block) => {
    const [, selector = '', source, target] = /^(src (\S+) dst (\S+)[^\n]*)/.exec(block) ?? [];
    const direction = /^\s+dir (in|out|fwd)\b/m.exec(block)?.[1];
    if (source === undefined || target === undefined || direction === undefined) return [];
    const protocol = / proto (\S+)/.exec(selector)?.[1];
    const port = / dport (\d+)/.exec(selector)?.[1];
    return [
      {
        selector: selector.trim(),
        source: source as Cidr,
        target: target as Cidr,
        ...(protocol !== undefined && { protocol }),
        ...(port !== undefined && { port: Number(port) }),
        direction: direction as XfrmDirection,
        isBlocking: /\baction block\b/.test(block),
        priority: Number(/\bpriority (\d+)/.exec(block)?.[1] ?? 0),
        hasTemplate: /^\s+tmpl /m.test(block),
      },
    ];
  });
}

export interface XfrmPacket {
  readonly source: IpAddress;
  readonly target: IpAddress;
  readonly protocol: string;
  readonly port?: number;
}

/** The policy of the smallest priority that a packet matches. */
export function policyOf(
  policies: readonly XfrmPolicy[],
  direction: XfrmDirection,
  packet: XfrmPacket,
): XfrmPolicy | undefined {
  return policies
    .filter((policy) => policy.direction === direction && matches(policy, packet))
    .toSorted((a, b) => a.priority - b.priority)[0];
}

function matches({ source, target, protocol, port }: XfrmPolicy, packet: XfrmPacket): boolean {
  return (
    inRange(packet.source, source) === 'yes' &&
    inRange(packet.target, target) === 'yes' &&
    (protocol === undefined || protocol === packet.protocol) &&
    (port === undefined || port === packet.port)
  );
}
