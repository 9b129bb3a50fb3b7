// One packet as firewalls see it at one hook. Plain data.
import type { Family, IpAddress } from '../../lib/address.ts';

/** Hooks of the IP layer, in the order in which a forwarded packet meets them. */
type IpHook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/**
 * Netfilter's hooks: of devices, of the IP layer, of bridges and of ARP. Chains of type `nat` have
 * hooks of their own here, which see the first packet of a connection alone.
 */
export type Hook = 'ingress' | 'egress' | IpHook | `bridge-${IpHook}` | `arp-${IpHook}` | `nat-${IpHook}`;

export type Protocol = 'tcp' | 'udp' | 'icmp' | 'icmpv6' | 'ipip' | 'ipv6' | 'esp' | 'arp';

export interface Packet {
  readonly family: Family;
  readonly protocol: Protocol;
  readonly source: IpAddress;
  readonly target: IpAddress;
  /** Of TCP and UDP. */
  readonly sourcePort?: number;
  readonly targetPort?: number;
  /** Device that it arrives by; unset where none is known, and at hooks that have none. */
  readonly iif?: string;
  readonly oif?: string;
  /** Connection tracking's state of its connection. */
  readonly state: 'new' | 'established';
  /** Whether its target is an address of this host. */
  readonly isToHost: boolean;
  /** Firewall mark; unset if it cannot be known. */
  readonly mark?: number | undefined;
  /** Connection tracking perhaps leaves it out by a rule: every comparison of its state is undecided. */
  readonly isUntracked?: boolean;
}

/** A packet that a rule perhaps changed from `before` to `after`. */
export function perhapsChanged(before: Packet, after: Packet): Packet {
  const isUntracked = before.isUntracked === true || after.isUntracked === true;
  return {
    ...before,
    mark: before.mark === after.mark ? before.mark : undefined,
    ...(isUntracked && { isUntracked }),
  };
}

/** One line, for example `tcp 10.5.1.2 > 10.5.2.2:9`. */
export function renderPacket({ protocol, source, target, targetPort }: Packet): string {
  const end = targetPort === undefined ? target : renderEnd(target, targetPort);
  return `${protocol} ${source} > ${end}`;
}

function renderEnd(address: IpAddress, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** As nft and iptables print a protocol: by name, and by number without /etc/protocols. */
export const PROTOCOL_NAMES: Readonly<Record<Protocol, readonly string[]>> = {
  icmp: ['icmp', '1'],
  // Where `ipip` has a number, it is 94.
  ipip: ['ipencap', 'ipv4', '4'],
  tcp: ['tcp', '6'],
  udp: ['udp', '17'],
  ipv6: ['ipv6', '41'],
  esp: ['esp', '50'],
  icmpv6: ['ipv6-icmp', 'icmpv6', '58'],
  // No protocol of IP.
  arp: [],
};
