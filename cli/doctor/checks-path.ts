// Whether packets arrive: echoes to every peer below and through the overlay network, large ones, and TCP, whose checksum the
// kernel leaves to the device.
import { connect } from 'node:net';
import { addressOf, parseIp, type Cidr, type IpAddress } from '../../allocator/address.ts';
import type { PeerV1, StatusV1 } from '../../daemon/control/types.ts';
import { ProbeError } from '../../daemon/probe/prober.ts';
import { firstOf, type Check, type Found } from './check.ts';
import type { Facts } from './facts.ts';

/** What came of the probes of one peer. */
interface Sight {
  readonly peer: PeerV1;
  readonly underlay: IpAddress;
  readonly overlay: IpAddress;
  readonly isAlive: boolean;
  readonly isReached: boolean;
  /** Set if `isReached`: largest packet through the overlay, of the MTU at most. */
  readonly largest?: number;
  /** Set if `isReached`. */
  readonly hasTcp?: boolean;
}

const ECHO = { count: 3, intervalMs: 50, timeoutMs: 1000 } as const;
const TCP_PATIENCE_MS = 1500;
/** discard(9): nobody listens, so a kernel that gets the packet answers with a reset. */
const CLOSED_PORT = 9;

/** Every peer with a tunnel, or the first ones. @throws ProbeError where nothing can be probed */
function lookAtPeers(facts: Facts): Promise<readonly Sight[]> {
  return facts.once('sights', async () => {
    const [status, peers] = await Promise.all([facts.status, facts.reachedPeers]);
    if (status === undefined || (status.network?.devices.length ?? 0) === 0) return [];
    return Promise.all(peers.flatMap(waysTo).map((way) => lookAt(facts, status, way)));
  });
}

/** Where a peer is, by family of its subnets. */
function waysTo(peer: PeerV1): readonly Pick<Sight, 'peer' | 'underlay' | 'overlay'>[] {
  return (
    [
      [peer.ipv4, peer.publicIp],
      [peer.ipv6, peer.publicIpv6],
    ] as const
  ).flatMap(([subnet, publicIp]) => {
    const underlay = parseIp(publicIp ?? '');
    return subnet === undefined || underlay === undefined
      ? []
      : [{ peer, underlay, overlay: addressOf(subnet as Cidr) }];
  });
}

async function lookAt(
  facts: Facts,
  status: StatusV1,
  way: Pick<Sight, 'peer' | 'underlay' | 'overlay'>,
): Promise<Sight> {
  const { overlay, underlay } = way;
  const [below, through] = await Promise.all([
    facts.prober.probe(underlay, ECHO),
    facts.prober.probe(overlay, ECHO),
  ]);
  const sight = { ...way, isAlive: below.received > 0, isReached: through.received > 0 };
  if (!sight.isReached) return sight;
  const maxBytes = status.network?.mtu ?? 1280;
  const [{ packetBytes: largest = 0 }, hasTcp] = await Promise.all([
    facts.prober.findLargest(overlay, { maxBytes }),
    answersTcp(overlay),
  ]);
  return { ...sight, largest, hasTcp };
}

/** Whether a peer's kernel answers a TCP packet in any way. */
function answersTcp(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: CLOSED_PORT });
    const timer = setTimeout(() => end(false), TCP_PATIENCE_MS);
    const end = (isAnswered: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(isAnswered);
    };
    socket.once('connect', () => end(true));
    // A refusal is an answer; so is what a router says.
    socket.once('error', ({ code }: NodeJS.ErrnoException) => end(code !== 'ETIMEDOUT'));
  });
}

function pathCheck(
  id: string,
  about: string,
  judge: (sights: readonly Sight[], status: StatusV1) => Found | undefined,
): Check {
  return {
    id,
    about,
    run: async (facts) => {
      const [found, status] = await Promise.all([
        lookAtPeers(facts).catch((error: Error) => {
          if (error instanceof ProbeError) return [];
          throw error;
        }),
        facts.status,
      ]);
      const finding = status && judge(found, status);
      return finding === undefined ? [] : [finding];
    },
  };
}

const name = ({ peer, overlay }: Sight): string =>
  `${peer.key} (${overlay} at ${peer.publicIp ?? peer.publicIpv6})`;

const probesImpossible: Check = {
  id: 'probes',
  about: 'whether this host can be probed from',
  run: async (facts) => {
    const problem = await lookAtPeers(facts).then(
      () => undefined,
      (error: Error) => error,
    );
    if (problem === undefined) return [];
    return [
      {
        severity: 'warning',
        title: 'The way to peers could not be probed',
        evidence: [problem.message],
        consequence: 'Blocked ports, a small path MTU and broken checksums are not found',
        remedy: 'sudo weft doctor',
      },
    ];
  },
};

const peerSilent = pathCheck(
  'peer-silent',
  'peers that answer neither below nor through the overlay',
  (found) => {
    const silent = found.filter(({ isAlive, isReached }) => !isAlive && !isReached);
    if (silent.length === 0) return undefined;
    return {
      severity: 'warning',
      title: `${silent.length} ${silent.length === 1 ? 'host answers' : 'hosts answer'} nothing: gone, or cut off`,
      evidence: firstOf(silent.map((sight) => `no echo from ${name(sight)}`)),
      consequence:
        'Its containers are not reached; if it is gone, its subnet stays taken until its lease ends, a reservation for ever',
      remedy: 'on that host: weft status, ip address. If it is gone: weft leases release SUBNET',
    };
  },
);

const tunnelBlocked = pathCheck(
  'tunnel-blocked',
  'whether the packets of the tunnel arrive',
  (found, status) => {
    const blocked = found.filter(({ isAlive, isReached }) => isAlive && !isReached);
    if (blocked.length === 0) return undefined;
    return {
      severity: 'error',
      title: `${blocked.length} ${blocked.length === 1 ? 'host is' : 'hosts are'} there but not reached through the overlay network: something drops its packets`,
      evidence: firstOf(
        blocked.map(
          (sight) => `${name(sight)}: echoes of ${sight.underlay} come, of ${sight.overlay} do not`,
        ),
      ),
      consequence: 'Containers of these hosts and of this one do not reach each other',
      remedy: `let the UDP port of backend ${status.network?.backend} pass between all hosts (vxlan: 8472, udp: 8285, or "Port"): firewalls, security groups; weft doctor on that host; tcpdump -ni ${status.interface?.name ?? 'any'} udp`,
    };
  },
);

const pathMtu = pathCheck('path-mtu', 'whether packets of the whole MTU arrive', (found, status) => {
  const mtu = status.network?.mtu ?? 0;
  const narrow = found.filter(({ largest }) => largest !== undefined && largest < mtu);
  if (narrow.length === 0) return undefined;
  const smallest = Math.min(...narrow.map(({ largest }) => largest!));
  return {
    severity: 'error',
    title: `Packets of the MTU of containers (${mtu}) do not arrive`,
    evidence: firstOf(
      narrow.map((sight) => `${name(sight)}: the largest packet that passes has ${sight.largest} bytes`),
    ),
    consequence: 'Small packets pass and large ones are lost: connections open and then hang',
    remedy: `raise the MTU of the network between the hosts, or lower that of the interface on every host: ip link set ${status.interface?.name} mtu ${(status.interface?.mtu ?? mtu) - (mtu - smallest)}`,
  };
});

const checksumOffload = pathCheck(
  'checksum-offload',
  'whether packets arrive whose checksum is left to the device',
  (found, status) => {
    const broken = found.filter(({ hasTcp }) => hasTcp === false);
    if (broken.length === 0) return undefined;
    const [device = 'flannel.1'] = status.network?.devices ?? [];
    return {
      severity: 'warning',
      title: 'Echoes arrive, and TCP, whose checksum is left to the device, does not',
      evidence: firstOf(
        broken.map((sight) => `${name(sight)}: no answer to TCP port ${CLOSED_PORT}, closed or not`),
      ),
      consequence:
        'If a device makes wrong checksums, nothing but pings works; a firewall that drops port 9 looks the same',
      remedy: `ethtool -K ${device} tx-checksum-ip-generic off, then weft doctor again; nstat -az | grep -i csum on the other host`,
    };
  },
);

export const PATH_CHECKS: readonly Check[] = [
  probesImpossible,
  peerSilent,
  tunnelBlocked,
  pathMtu,
  checksumOffload,
];
