// Input of the firewall rules, and constants that both engines share.
import type { Cidr, Family } from '../../lib/address.ts';
import type { FirewallObject } from '../kernel-state.ts';

/** Which rules the administrator wants, and which engine this host has for them. */
export interface FirewallPolicy {
  readonly engine: FirewallObject['engine'];
  readonly isMasquerading: boolean;
  /** Draws source ports at random, so that two connections set up at once do not clash. */
  readonly isFullyRandom: boolean;
  /** Accepts packets from and to the overlay, whatever the policy of FORWARD. */
  readonly isForwardAccepted: boolean;
}

/** One family's networks: the whole overlay, and this host's subnet. */
export interface FirewallFamily {
  readonly family: Family;
  readonly network: Cidr;
  readonly subnet: Cidr;
}

/** Mark of packets that kube-proxy masquerades itself. */
export const SERVICE_MARK = 0x4000;
/** Multicast is never masqueraded: receivers distinguish senders by address. */
export const MULTICAST: Readonly<Record<Family, string>> = { 4: '224.0.0.0/4', 6: 'ff00::/8' };
