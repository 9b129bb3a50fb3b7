// Addresses of the path benchmark, known to its tunnels, its ends and its measures.
import { ipv4FromNumber } from '../../../lib/address.ts';

/** The overlay's address and subnet of each end, its VTEP MAC, and what its device is called. */
export const OVERLAY = {
  a: { address: '10.128.1.1', subnet: '10.128.1.0/24', mac: '02:00:00:00:00:01' },
  b: { address: '10.128.2.1', subnet: '10.128.2.0/24', mac: '02:00:00:00:00:02' },
} as const;

export const DEVICE = 'overlay0';
export const VNI = 1;

/** Where the many peers are: the overlay subnets, each a /24, and underlay addresses of their own. Both are host b. */
export const PEER_SUBNETS = '10.64.0.0/10';
export const PEER_REMOTES = '198.19.0.0/16';
export const PEER_COUNT = 10_000;

/** An address in the overlay subnet of the first of many peers; those of the others follow at steps of 256. */
export const FIRST_PEER_ADDRESS = '10.64.0.9';

export interface Peer {
  /** Network address of its /24. */
  readonly subnet: string;
  /** Its underlay address, if it has one of its own. */
  readonly remote: string;
}

/** The n-th of many peers, 0..16383. */
export function peer(index: number): Peer {
  return {
    subnet: ipv4FromNumber(10 * 2 ** 24 + 64 * 2 ** 16 + index * 256),
    remote: ipv4FromNumber(198 * 2 ** 24 + 19 * 2 ** 16 + index),
  };
}
