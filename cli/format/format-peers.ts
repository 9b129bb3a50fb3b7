// Output of `weft peers`. Pure.
import type { LivenessStateV1, LivenessV1, PeersV1, PeerV1, SyncV1 } from '../../api/index.ts';
import { formatBytes, formatDuration, msBetween } from './duration.ts';
import type { Style } from './style.ts';
import { formatTable } from './table.ts';

/** One line per peer, followed by its missing entries. */
export function formatPeers({ peers, at }: PeersV1, style: Style): string {
  if (peers.length === 0) return 'no peers: this host is alone in its network\n';
  const hasTraffic = peers.some(({ traffic, wireguard }) => (traffic ?? wireguard) !== undefined);
  const hasWireguard = peers.some(({ wireguard }) => wireguard !== undefined);
  const hasProbes = peers.some(({ probe }) => probe !== undefined);
  const hasNames = peers.some(({ name }) => name !== undefined);
  const heading = [
    'SUBNET',
    'PUBLIC IP',
    ...(hasNames ? ['NAME'] : []),
    'MAC',
    'MODE',
    'STATE',
    'SINCE',
    'LIVENESS',
  ];
  if (hasTraffic) heading.push('SENT', 'RECEIVED');
  if (hasWireguard) heading.push('ENDPOINT', 'HANDSHAKE');
  if (hasProbes) heading.push('PROBE');
  const rows = peers.map((peer) => [
    subnetsOf(peer),
    peer.publicIp ?? peer.publicIpv6 ?? '-',
    ...(hasNames ? [peer.name ?? '-'] : []),
    peer.mac ?? '-',
    peer.mode,
    formatSync(peer.state, style),
    formatDuration(msBetween(peer.since, at)),
    formatLiveness(peer.liveness, at, style),
    ...(hasTraffic ? [sentTo(peer), receivedFrom(peer)] : []),
    ...(hasWireguard ? [peer.wireguard?.endpoint ?? '-', handshakeOf(peer)] : []),
    ...(hasProbes ? [probeOf(peer, at)] : []),
  ]);
  const [first = '', ...lines] = formatTable([heading, ...rows])
    .trimEnd()
    .split('\n');
  const body = lines.map((line, index) => [line, ...details(peers[index]!, style)].join('\n'));
  return `${[style.dim(first), ...body].join('\n')}\n`;
}

/** Subnets of both families. */
export function subnetsOf({ ipv4, ipv6 }: { readonly ipv4?: string; readonly ipv6?: string }): string {
  return [ipv4, ipv6].filter(Boolean).join(', ');
}

export function formatSync(state: SyncV1, style: Style): string {
  if (state === 'in-sync') return style.good('programmed');
  return state === 'pending' ? style.warn('pending') : style.bad('error');
}

function sentTo({ traffic, wireguard }: PeerV1): string {
  const counted = traffic ?? wireguard;
  return counted === undefined ? '-' : formatBytes(counted.txBytes);
}

function receivedFrom({ traffic, wireguard }: PeerV1): string {
  const counted = traffic ?? wireguard;
  return counted === undefined ? '-' : formatBytes(counted.rxBytes);
}

/** Age of the last handshake. */
function handshakeOf({ wireguard }: PeerV1): string {
  if (wireguard === undefined) return '-';
  const { handshakeAgeSec } = wireguard;
  return handshakeAgeSec === undefined ? 'none' : formatDuration(handshakeAgeSec * 1000);
}

const LIVENESS_NAMES: Readonly<Record<LivenessStateV1, string>> = {
  reachable: 'reachable',
  silent: 'silent',
  'overlay-broken': 'underlay alone',
};

/** With the age of the evidence: of the last answer, or of the silence. */
export function formatLiveness(liveness: LivenessV1 | undefined, at: string, style: Style): string {
  if (liveness === undefined) return 'unknown';
  const { state, since, answeredAt, rttMs } = liveness;
  const name = LIVENESS_NAMES[state];
  if (state !== 'reachable') return style.bad(`${name} for ${formatDuration(msBetween(since, at))}`);
  const age = formatDuration(msBetween(answeredAt ?? since, at));
  return `${style.good(name)}${rttMs === undefined ? '' : ` ${rttMs.toFixed(1)} ms`}, ${age} ago`;
}

function probeOf({ probe }: PeerV1, at: string): string {
  if (probe === undefined) return '-';
  const lost = probe.lost === 0 ? '' : `${probe.lost} of ${probe.sent} lost`;
  const rtt = probe.rttMs === undefined ? '' : `${probe.rttMs.toFixed(1)} ms`;
  const age = `${formatDuration(msBetween(probe.at, at))} ago`;
  return [rtt, lost, age].filter(Boolean).join(', ');
}

function details({ reason, missing, isReservation }: PeerV1, style: Style): string[] {
  return [
    ...(reason === undefined ? [] : [`  ${style.bad('!')} ${reason}`]),
    ...missing.map((object) => `  ${style.warn('missing')} ${object}`),
    ...(isReservation ? [`  ${style.dim('reserved: its key never expires')}`] : []),
  ];
}
