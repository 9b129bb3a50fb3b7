// Checks whether packets arrive, from the probes of each peer.
import { contains, familyOf, parseIp, type Cidr } from '../../lib/address.ts';
import type { StatusV1 } from '../../api/index.ts';
import { ProbeError } from '../../daemon/probe/prober.ts';
import { truncate, type Check, type Found } from './check.ts';
import { findChecksumFault } from './checksum-finding.ts';
import { readKnownCauses, type KnownCauses } from './path/known-causes.ts';
import { isBlocked, isRouted, probePeers, name, type PeerProbe } from './peer-probes.ts';

function pathCheck(
  id: string,
  about: string,
  evaluate: (probes: readonly PeerProbe[], status: StatusV1, causes: KnownCauses) => Found | undefined,
): Check {
  return {
    id,
    about,
    run: async (facts) => {
      const [found, status, causes] = await Promise.all([
        probePeers(facts).catch((error: Error) => {
          if (error instanceof ProbeError) return [];
          throw error;
        }),
        facts.status,
        readKnownCauses(facts),
      ]);
      const finding = status && evaluate(found, status, causes);
      return finding === undefined ? [] : [finding];
    },
  };
}

const probesImpossible: Check = {
  id: 'probes',
  about: 'whether this host can send probes',
  run: async (facts) => {
    const error = await probePeers(facts).then(
      () => undefined,
      (reason: Error) => reason,
    );
    if (error === undefined) return [];
    return [
      {
        severity: 'warning',
        title: 'Probes to peers failed',
        evidence: [error.message],
        impact: 'Blocked ports, a small path MTU and wrong checksums stay undetected',
        fix: 'sudo weft doctor',
      },
    ];
  },
};

const peerSilent = pathCheck(
  'peer-silent',
  'whether every peer answers through the underlay or the overlay',
  (found, status, { explained, suspects }) => {
    const all = found.filter(({ underlayOk, overlayOk }) => !underlayOk && !overlayOk);
    const silent = all.filter(({ peer }) => !explained.has(peer.key));
    if (silent.length === 0) return undefined;
    const title = `${silent.length} ${silent.length === 1 ? 'peer answers' : 'peers answer'} no probe: down or disconnected`;
    const evidence = truncate(silent.map((probe) => `no echo from ${name(probe)}`));
    const { name: dev = 'eth0' } = status.interface ?? {};
    const commands = `ip address show ${dev}; ip route get ${silent[0]!.underlay}; ip neigh show ${silent[0]!.underlay}`;
    // Where no peer answers, this host may be the one that is cut off.
    if (all.length === found.length)
      return {
        severity: 'warning',
        title,
        evidence: [...evidence, ...suspects.map((each) => `may drop packets: ${each.evidence}`)],
        impact: 'Containers of this host and of those hosts do not reach each other',
        fix: `${commands}  # no peer answers: this host, or the network between the hosts, is cut off; leases stay as they are`,
      };
    return {
      severity: 'warning',
      title,
      evidence,
      impact:
        'Its containers are unreachable; if the host is removed, its subnet stays leased until the TTL ends, a reservation without end',
      fix: `${commands}  # then weft status and ip address on that host; only if it was removed: weft leases release SUBNET`,
    };
  },
);

const tunnelBlocked = pathCheck(
  'tunnel-blocked',
  'whether packets of the tunnel arrive',
  (found, status, { explained, hasPortRule, hasInnerRule, suspects }) => {
    const blocked = found.filter((probe) => isBlocked(probe) && !explained.has(probe.peer.key));
    if (blocked.length === 0 || isRouted(status)) return undefined;
    const rule = hasPortRule ? 'port-dropped' : hasInnerRule ? 'forward-drop' : undefined;
    return {
      severity: 'error',
      title: `${blocked.length} ${blocked.length === 1 ? 'peer answers' : 'peers answer'} through the underlay but not through the overlay: packets of the tunnel are dropped`,
      evidence: [
        ...truncate(
          blocked.map(
            (probe) => `${name(probe)}: replies from ${probe.underlay} arrive, from ${probe.overlay} do not`,
          ),
        ),
        rule === undefined
          ? 'no rule of this host that is known drops them'
          : `a rule of this host drops them: ${rule}`,
        ...suspects.map(({ evidence }) => `may drop them: ${evidence}`),
      ],
      impact: 'Containers of these hosts and of this one do not reach each other',
      fix:
        rule !== undefined
          ? `# the command of ${rule}`
          : suspects.length > 0
            ? `${suspects.map(({ fix }) => fix).join('; ')}  # unless another program needs it; then weft doctor on that host`
            : `weft doctor  # on that host; then ${allowText(status)}: firewalls and security groups between them; tcpdump -ni ${status.interface?.name ?? 'any'} ${status.network?.backend === 'ipip' ? 'ip proto 4' : 'udp'}`,
    };
  },
);

/** What firewalls must let pass, by backend. */
const NEEDS: Readonly<Record<string, string>> = {
  vxlan: 'the UDP port of backend vxlan (8472, or "Port")',
  udp: 'the UDP port of backend udp (8285, or "Port")',
  wireguard:
    'the UDP ports of backend wireguard (51820, 51821, or "ListenPort", "ListenPortV6"; after weft wireguard rotate 51822, 51823)',
  ipip: 'IP protocol 4 (IP in IP)',
};

function allowText({ network }: StatusV1): string {
  return `allow ${NEEDS[network?.backend ?? ''] ?? `the packets of backend ${network?.backend}`} between all hosts`;
}

const routeDropped = pathCheck(
  'route-dropped',
  'with host-gw: whether packets to the subnets of peers arrive',
  (found, status) => {
    const dropped = found.filter(isBlocked);
    if (dropped.length === 0 || !isRouted(status)) return undefined;
    return {
      severity: 'error',
      title: `${dropped.length} ${dropped.length === 1 ? 'peer answers' : 'peers answer'}, but packets to ${dropped.length === 1 ? 'its subnet' : 'their subnets'} do not arrive`,
      evidence: truncate(
        dropped.map(
          (probe) =>
            `${name(probe)}: replies from ${probe.underlay} arrive; an echo to ${probe.overlay} gets no answer`,
        ),
      ),
      impact: 'Containers of these hosts and of this one do not reach each other',
      fix: 'turn off source/destination checks and anti-spoofing filters of switches and clouds; on that host: sysctl net.ipv4.ip_forward, tcpdump -ni any icmp; or use vxlan (weft config edit)',
    };
  },
);

const publicIp = pathCheck(
  'public-ip',
  'whether peers can send to the public IP of this host',
  (found, status) => {
    const own = { 4: status.interface?.publicIp ?? '', 6: status.interface?.publicIpv6 ?? '' };
    const cut = found.filter(
      (probe) => isBlocked(probe) && isPrivate(own[familyOf(probe.underlay)]) && !isPrivate(probe.underlay),
    );
    if (cut.length === 0) return undefined;
    const ours = own[familyOf(cut[0]!.underlay)];
    return {
      severity: 'error',
      title: `This host advertises the private address ${ours}, which is unreachable from outside of its network`,
      evidence: [
        `weft status: peers send to ${ours}`,
        ...truncate(
          cut.map(
            (probe) => `${name(probe)}: replies from ${probe.underlay} arrive, none through the overlay`,
          ),
        ),
      ],
      impact: 'Packets to these peers may arrive, and no reply returns',
      fix: `behind a NAT: give ${ours.includes(':') ? '--public-ipv6' : '--public-ip'} the NAT's outside address, and forward the UDP port of backend ${status.network?.backend} to this host`,
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

const pathMtu = pathCheck('path-mtu', 'whether packets of the full MTU arrive', (found, status) => {
  const mtu = status.network?.mtu ?? 0;
  // A probe that finds no size that passes says nothing of sizes: packets are lost at random.
  const narrow = found.filter(({ largest = 0 }) => largest > 0 && largest < mtu);
  if (narrow.length === 0) return undefined;
  const smallest = Math.min(...narrow.map(({ largest }) => largest!));
  return {
    severity: 'error',
    title: `Packets of the containers' MTU (${mtu}) do not arrive`,
    evidence: truncate(
      narrow.map((probe) => `${name(probe)}: the largest packet that passes has ${probe.largest} bytes`),
    ),
    impact: 'Small packets pass and large packets are lost: connections open and then hang',
    fix: `raise the MTU of the network between the hosts, or lower that of the overlay: weft config edit, "MTU": ${(status.interface?.mtu ?? mtu) - (mtu - smallest)} in "Backend" (Backend.MTU), then restart the containers`,
  };
});

const checksumOffload = pathCheck(
  'checksum-offload',
  'whether packets with offloaded checksums arrive',
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
