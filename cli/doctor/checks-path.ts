// Whether packets arrive: what to make of what is seen of the way to each peer.
import { contains, familyOf, parseIp, type Cidr } from '../../lib/address.ts';
import type { StatusV1 } from '../../api/index.ts';
import { ProbeError } from '../../daemon/probe/prober.ts';
import { firstOf, type Check, type Found } from './check.ts';
import { judgeChecksums } from './checksum-finding.ts';
import { isBlocked, isRouted, lookAtPeers, name, type PeerProbe } from './peer-probes.ts';

function pathCheck(
  id: string,
  about: string,
  judge: (sights: readonly PeerProbe[], status: StatusV1) => Found | undefined,
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
    const blocked = found.filter(isBlocked);
    if (blocked.length === 0 || isRouted(status)) return undefined;
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

const routeDropped = pathCheck(
  'route-dropped',
  'with host-gw: whether packets to the subnets of peers arrive there',
  (found, status) => {
    const dropped = found.filter(isBlocked);
    if (dropped.length === 0 || !isRouted(status)) return undefined;
    return {
      severity: 'error',
      title: `${dropped.length} ${dropped.length === 1 ? 'host answers' : 'hosts answer'}, but packets to ${dropped.length === 1 ? 'its subnet do' : 'their subnets do'} not get there`,
      evidence: firstOf(
        dropped.map(
          (sight) =>
            `${name(sight)}: echoes of ${sight.underlay} come; of one to ${sight.overlay} that ends there nothing is heard`,
        ),
      ),
      consequence: 'Containers of these hosts and of this one do not reach each other',
      remedy:
        'switches and clouds must pass packets for addresses that are not of the host: turn off source/destination checks and anti-spoofing filters; sysctl net.ipv4.ip_forward on that host; tcpdump -ni any icmp there; or use vxlan (weft config edit)',
    };
  },
);

const publicIp = pathCheck(
  'public-ip',
  'whether peers can send to the address that this host tells them',
  (found, status) => {
    const own = { 4: status.interface?.publicIp ?? '', 6: status.interface?.publicIpv6 ?? '' };
    const cut = found.filter(
      (sight) => isBlocked(sight) && isPrivate(own[familyOf(sight.underlay)]) && !isPrivate(sight.underlay),
    );
    if (cut.length === 0) return undefined;
    const ours = own[familyOf(cut[0]!.underlay)];
    return {
      severity: 'error',
      title: `This host tells peers the private address ${ours}, which those outside of its network cannot send to`,
      evidence: [
        `weft status: peers send to ${ours}`,
        ...firstOf(
          cut.map(
            (sight) => `${name(sight)}: echoes of ${sight.underlay} come, and nothing through the overlay`,
          ),
        ),
      ],
      consequence: 'Packets to these peers may arrive, and none comes back',
      remedy: `if a NAT is between: start the daemon with ${ours.includes(':') ? '--public-ipv6' : '--public-ip'} and the address that the NAT has outside, and have it pass the UDP port of backend ${status.network?.backend} in`,
    };
  },
);

/** RFC 1918, RFC 6598, link-local and RFC 4193. */
const PRIVATE = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  'fc00::/7',
];

function isPrivate(text: string): boolean {
  const address = parseIp(text);
  return address !== undefined && PRIVATE.some((network) => contains(network as Cidr, address));
}

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
  (found, { network }) =>
    judgeChecksums(
      found.map(({ checksums: sight, overlay, ...rest }) => ({
        sight,
        overlay,
        name: name({ ...rest, overlay }),
      })),
      network?.checksumOffload ?? [],
    ),
);

export const PATH_CHECKS: readonly Check[] = [
  probesImpossible,
  peerSilent,
  tunnelBlocked,
  routeDropped,
  publicIp,
  pathMtu,
  checksumOffload,
];
