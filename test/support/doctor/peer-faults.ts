// Faults at a peer for `weft connectivity` and `weft doctor --to` to find, and the place that they name.
import type { CellV1 } from '../../../cli/connectivity/cells.ts';

export interface PeerFault {
  readonly name: string;
  /** Shell commands at the peer. */
  readonly breaks: string;
  readonly cleans: string;
  /** Whether the fault makes a cell fail. */
  readonly fails: (cell: CellV1) => boolean;
  readonly place: RegExp;
  readonly doctor?: readonly [check: string, evidence: RegExp];
}

/** At the peer h2 of h1. */
export const PEER_FAULTS: readonly PeerFault[] = [
  {
    name: 'a rule for forwarded packets',
    breaks:
      "nft add table inet fw; nft 'add chain inet fw x { type filter hook forward priority 10; policy drop; }'",
    cleans: 'nft delete table inet fw',
    fails: ({ to }) => to === 'container',
    place: /^on h2, between its overlay and its containers/,
    doctor: ['forward-drop', /table inet fw, chain x/],
  },
  {
    name: 'a bridge that is down',
    // The kernel removes IPv6 addresses of a device that goes down.
    breaks: 'echo 1 >/proc/sys/net/ipv6/conf/br0/keep_addr_on_down; ip link set br0 down',
    cleans: 'ip link set br0 up',
    fails: ({ to }) => to === 'container',
    place: /^on h2, between its overlay and its containers/,
    doctor: ['bridge-down', /ip address show br0/],
  },
  {
    name: 'an underlay that carries less',
    breaks: 'ip link set eth0 mtu 1400',
    cleans: 'ip link set eth0 mtu 1500',
    fails: ({ to, test }) => to !== 'outside' && test.endsWith('full'),
    place: /^packets of \d+ bytes are lost between the hosts h1 and h2/,
  },
];
