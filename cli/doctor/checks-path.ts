// Whether packets arrive: what to make of what is seen of the way to each peer.
import { contains, familyOf, parseIp, type Cidr } from '../../lib/address.ts';
import type { StatusV1 } from '../../api/index.ts';
import { ProbeError } from '../../daemon/probe/prober.ts';
import { truncate, type Check, type Found } from './check.ts';
import { findChecksumFault } from './checksum-finding.ts';
import { isBlocked, isRouted, probePeers, name, type PeerProbe } from './peer-probes.ts';

function pathCheck(
  id: string,
  about: string,
  judge: (probes: readonly PeerProbe[], status: StatusV1) => Found | undefined,
): Check {
  return {
    id,
    about,
    run: async (facts) => {
      const [found, status] = await Promise.all([
        probePeers(facts).catch((error: Error) => {
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
    const problem = await probePeers(facts).then(
      () => undefined,
      (error: Error) => error,
    );
    if (problem === undefined) return [];
    return [
      {
        severity: 'warning',
        title: 'The way to peers could not be probed',
        evidence: [problem.message],
        impact: 'Blocked ports, a small path MTU and broken checksums are not found',
        fix: 'sudo weft doctor',
      },
    ];
  },
};

const peerSilent = pathCheck(
  'peer-silent',
  'peers that answer neither below nor through the overlay',
  (found) => {
    const silent = found.filter(({ underlayOk, overlayOk }) => !underlayOk && !overlayOk);
    if (silent.length === 0) return undefined;
    return {
      severity: 'warning',
      title: `${silent.length} ${silent.length === 1 ? 'host answers' : 'hosts answer'} nothing: gone, or cut off`,
      evidence: truncate(silent.map((probe) => `no echo from ${name(probe)}`)),
      impact:
        'Its containers are not reached; if it is gone, its subnet stays taken until its lease ends, a reservation for ever',
      fix: 'on that host: weft status, ip address. If it is gone: weft leases release SUBNET',
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
      evidence: truncate(
        blocked.map(
          (probe) => `${name(probe)}: echoes of ${probe.underlay} come, of ${probe.overlay} do not`,
        ),
      ),
      impact: 'Containers of these hosts and of this one do not reach each other',
      fix: `let the UDP port of backend ${status.network?.backend} pass between all hosts (vxlan: 8472, udp: 8285, or "Port"): firewalls, security groups; weft doctor on that host; tcpdump -ni ${status.interface?.name ?? 'any'} udp`,
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
      evidence: truncate(
        dropped.map(
          (probe) =>
            `${name(probe)}: echoes of ${probe.underlay} come; of one to ${probe.overlay} that ends there nothing is heard`,
        ),
      ),
      impact: 'Containers of these hosts and of this one do not reach each other',
      fix: 'switches and clouds must pass packets for addresses that are not of the host: turn off source/destination checks and anti-spoofing filters; sysctl net.ipv4.ip_forward on that host; tcpdump -ni any icmp there; or use vxlan (weft config edit)',
    };
  },
);

const publicIp = pathCheck(
  'public-ip',
  'whether peers can send to the address that this host tells them',
  (found, status) => {
    const own = { 4: status.interface?.publicIp ?? '', 6: status.interface?.publicIpv6 ?? '' };
    const cut = found.filter(
      (probe) => isBlocked(probe) && isPrivate(own[familyOf(probe.underlay)]) && !isPrivate(probe.underlay),
    );
    if (cut.length === 0) return undefined;
    const ours = own[familyOf(cut[0]!.underlay)];
    return {
      severity: 'error',
      title: `This host tells peers the private address ${ours}, which those outside of its network cannot send to`,
      evidence: [
        `weft status: peers send to ${ours}`,
        ...truncate(
          cut.map(
            (probe) => `${name(probe)}: echoes of ${probe.underlay} come, and nothing through the overlay`,
          ),
        ),
      ],
      impact: 'Packets to these peers may arrive, and none comes back',
      fix: `if a NAT is between: start the daemon with ${ours.includes(':') ? '--public-ipv6' : '--public-ip'} and the address that the NAT has outside, and have it pass the UDP port of backend ${status.network?.backend} in`,
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
    evidence: truncate(
      narrow.map((probe) => `${name(probe)}: the largest packet that passes has ${probe.largest} bytes`),
    ),
    impact: 'Small packets pass and large ones are lost: connections open and then hang',
    fix: `raise the MTU of the network between the hosts, or lower that of the interface on every host: ip link set ${status.interface?.name} mtu ${(status.interface?.mtu ?? mtu) - (mtu - smallest)}`,
  };
});

const checksumOffload = pathCheck(
  'checksum-offload',
  'whether packets arrive whose checksum is left to the device',
  (found, { network }) =>
    findChecksumFault(
      found.map(({ checksums: result, overlay, ...rest }) => ({
        result,
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
