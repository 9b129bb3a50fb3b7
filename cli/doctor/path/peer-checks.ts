// The peer's half of the path, as far as probes show it: whether it forwards, and with `--to` whether
// the container answers. Its rules, routes and bridges are known there alone.
import { addToAddress, addressOf } from '../../../lib/address.ts';
import { truncate, type Check } from '../check.ts';
import type { Facts } from '../facts.ts';
import { probePeers } from '../peer-probes.ts';
import { probeRouter } from '../router-probe.ts';
import { readOwnPaths } from './own-path.ts';
import { readPeerHalf } from './peer-half.ts';
import { readPeerEnds, type PeerEnd } from './peer-ends.ts';

const ECHO = { count: 3, intervalMs: 50, timeoutMs: 1000 } as const;

interface PeerHalf {
  readonly end: PeerEnd;
  /** Whether the usual address of its bridge answers; without one there is nothing to forward to. */
  readonly hasBridge: boolean;
  /** Whether an echo that may pass no router got an error from it, or an answer; unset: its kernel sends none. */
  readonly isForwarding?: boolean;
}

/** Halves of the peers that answer through the overlay. */
function readHalves(facts: Facts): Promise<readonly PeerHalf[]> {
  return facts.once('peer halves', async () => {
    const [ends, probes] = await Promise.all([readPeerEnds(facts), probePeers(facts).catch(() => [])]);
    const alive = new Set(probes.filter(({ overlayOk }) => overlayOk).map(({ peer }) => peer.key));
    return Promise.all(ends.filter(({ key }) => alive.has(key)).map((end) => probeHalf(facts, end)));
  });
}

/**
 * A router answers a packet whose TTL ends with an error, before any rule of its FORWARD hook; a
 * device that does not forward drops it silently (ip_error, ip6_forward).
 */
async function probeHalf(facts: Facts, end: PeerEnd): Promise<PeerHalf> {
  const bridge = addToAddress(addressOf(end.subnet), 1n);
  const [gateway, near] = await Promise.all([
    facts.prober.probe(bridge, ECHO),
    probeRouter(facts.nearProber, end.address),
  ]);
  const isAnswered = near.received > 0 || near.errors.length > 0;
  const isWithheld = !isAnswered && (await isWithholding(facts, end));
  return { end, hasBridge: gateway.received > 0, ...(!isWithheld && { isForwarding: isAnswered }) };
}

/**
 * A kernel sends no ICMPv6 error to an address that begins a prefix with a route without gateway: it takes it
 * for an anycast address (ipv6_anycast_destination). With WireGuard that is the address of this host's device.
 */
async function isWithholding(facts: Facts, { family }: PeerEnd): Promise<boolean> {
  return family === 6 && (await facts.status)?.network?.backend === 'wireguard';
}

const hostOf = ({ key, underlay }: PeerEnd): string => underlay ?? key;

const peerForwarding: Check = {
  id: 'peer-forwarding',
  about: 'whether each peer forwards packets from the overlay to its containers',
  run: async (facts) => {
    const halves = await readHalves(facts);
    const lost = halves.filter(({ hasBridge, isForwarding }) => hasBridge && isForwarding === false);
    if (lost.length === 0) return [];
    return [
      {
        severity: 'error',
        title: `${lost.length} ${lost.length === 1 ? 'peer does' : 'peers do'} not forward packets to containers`,
        evidence: truncate(
          lost.map(
            ({ end }) =>
              `${end.key}: its bridge answers; an echo to ${end.address} that may pass no router gets neither answer nor error`,
          ),
        ),
        impact: 'Containers of those hosts get no packet of other hosts',
        fix: `weft doctor  # on ${lost
          .slice(0, 5)
          .map(({ end }) => hostOf(end))
          .join(', ')}: device-forwarding, forwarding-off or route-diverted names the setting there`,
      },
    ];
  },
  notTested: async (facts) => {
    const [ends, halves, paths, asked] = await Promise.all([
      readPeerEnds(facts),
      readHalves(facts),
      readOwnPaths(facts),
      readPeerHalf(facts),
    ]);
    const hosts = asked === undefined ? [...new Set(ends.map(hostOf))] : [];
    const bare = halves.filter(({ hasBridge }) => !hasBridge).map(({ end }) => hostOf(end));
    const unknown = halves
      .filter(({ isForwarding }) => isForwarding === undefined)
      .map(({ end }) => hostOf(end));
    const few =
      hosts.length > 3 ? `${hosts.slice(0, 3).join(', ')} and ${hosts.length - 3} more` : hosts.join(', ');
    return [
      ...(hosts.length > 0 ? [`rules, routes and bridges of peers: weft doctor on ${few}`] : []),
      ...(bare.length > 0
        ? [`forwarding of ${[...new Set(bare)].slice(0, 3).join(', ')}: no bridge answers there`]
        : []),
      ...(unknown.length > 0
        ? [
            `forwarding of IPv6 by ${[...new Set(unknown)].slice(0, 3).join(', ')}: its kernel sends this host no errors`,
          ]
        : []),
      ...paths
        .filter(({ bridges }) => bridges.length === 0)
        .map(({ subnet }) => `routes of containers here: no bridge has an address of ${subnet}`),
      'what BPF programs of devices do to packets',
    ];
  },
};

const peerContainer: Check = {
  id: 'peer-container',
  about: 'with --to: whether that container answers',
  run: async (facts) => {
    if (facts.to === undefined) return [];
    const [end] = await readPeerEnds(facts);
    if (end === undefined) return [unknownAddress(facts.to)];
    const { received, errors } = await facts.prober.probe(facts.to, { ...ECHO, timeoutMs: 3500 });
    if (received > 0) return [];
    const [half] = await readHalves(facts);
    // Without an answer of its host, another check names the cause.
    if (half === undefined || (half.hasBridge && half.isForwarding === false)) return [];
    return [
      {
        severity: 'error',
        title: `${facts.to} does not answer, though its host does`,
        evidence: [
          `${received} of ${ECHO.count} echoes answered`,
          ...truncate(
            errors.map(({ error }) => JSON.stringify(error)),
            2,
          ),
        ],
        impact: 'The packet arrives at that host, and is lost there or in the container',
        fix: `weft doctor  # on ${hostOf(end)}: its bridge, forward-drop and container-route; and whether the container exists and answers echoes`,
      },
    ];
  },
};

function unknownAddress(to: string) {
  return {
    severity: 'error',
    title: `No peer has a subnet with the address ${to}`,
    evidence: [`weft route get ${to}`],
    impact: 'Packets to it leave as packets to any other address, or are dropped',
    fix: 'weft leases list',
  } as const;
}

export const PEER_CHECKS: readonly Check[] = [peerForwarding, peerContainer];
