// Output of `weft status`. Pure: the time, too, comes from the answer.
import type { HealthV1, PacketPathV1, StatusV1 } from '../../api/index.ts';
import { formatDuration, msBetween } from './duration.ts';
import type { Style } from './style.ts';
import { formatTable } from './table.ts';

/** One screen. */
export function formatStatus(status: StatusV1, style: Style): string {
  const { daemon, at, health } = status;
  const head = `${style.bold('weft')} ${daemon.version}  ${formatHealth(health, style)}  up ${formatDuration(msBetween(daemon.startedAt, at))}, pid ${daemon.pid}\n`;
  const rows = [
    hostRow(status),
    subnetRow(status),
    networkRow(status),
    migrationRow(status, style),
    ...pathRows(status),
    ...checksumRows(status, style),
    underlayRow(status),
    registryRow(status, style),
    kernelRow(status, style),
    peersRow(status, style),
  ];
  const table = formatTable(
    rows.flatMap((row) => (row ? [row] : [])),
    { indent: 2, gap: 2 },
  );
  const paint = health === 'not-ready' ? style.bad : style.warn;
  const reasons = status.reasons.map((reason) => `  ${paint('!')} ${reason}\n`);
  return `${head}\n${table}${reasons.length === 0 ? '' : `\n${reasons.join('')}`}`;
}

export function formatHealth(health: HealthV1, style: Style): string {
  if (health === 'ok') return style.good('ok');
  return health === 'degraded' ? style.warn('degraded') : style.bad('not ready');
}

type Row = readonly [label: string, text: string];

function hostRow({ name }: StatusV1): Row | undefined {
  return name === undefined ? undefined : ['host', name];
}

function subnetRow({ lease, at }: StatusV1): Row | undefined {
  if (lease === undefined) return undefined;
  const subnets = [lease.ipv4, lease.ipv6].filter(Boolean).join(', ');
  if (subnets === '') return ['subnet', `none yet, ${lease.state}`];
  const life =
    lease.expiresAt === undefined
      ? 'reserved, without expiry'
      : `ends in ${formatDuration(msBetween(at, lease.expiresAt))} unless renewed`;
  return ['subnet', `${subnets}  ${lease.state}, ${life}`];
}

function networkRow({ network }: StatusV1): Row | undefined {
  if (network === undefined) return undefined;
  const ranges = [network.ipv4, network.ipv6].filter(Boolean).join(', ');
  const device = network.devices.length === 0 ? '' : `, ${network.devices.join(' and ')}`;
  const mtu = network.mtu === undefined ? '' : `, MTU ${network.mtu}`;
  const userspace = network.encapsulation === 'userspace' ? ' in userspace' : '';
  return ['network', `${ranges}  ${network.backend}${userspace}${device}${mtu}`];
}

const SHOWN_PENDING_PEERS = 3;

function migrationRow({ network }: StatusV1, style: Style): Row | undefined {
  if (network?.migration === undefined) return undefined;
  const { state, announced, wanted, pendingPeers, blocker } = network.migration;
  const named = pendingPeers.slice(0, SHOWN_PENDING_PEERS).join(', ');
  const more =
    pendingPeers.length > SHOWN_PENDING_PEERS ? ` and ${pendingPeers.length - SHOWN_PENDING_PEERS} more` : '';
  const waiting = pendingPeers.length === 0 ? '' : `, waiting for ${named}${more}`;
  const blocked = blocker === undefined ? '' : `; ${style.bad('blocked')}: ${blocker}`;
  const from = announced === wanted ? `to ${wanted}` : `from ${announced} to ${wanted}`;
  return ['change', `${from}: ${style.warn(state)}${waiting}${blocked}`];
}

/** Which part of the packets the kernel moved: one row a device of the userspace packet path. */
function pathRows({ network }: StatusV1): readonly Row[] {
  return (network?.paths ?? []).map((path) => ['fast path', `of ${path.device} ${formatFastPath(path)}`]);
}

function formatFastPath(path: PacketPathV1): string {
  if (path.bpfDisabledReason !== undefined) return `off: ${path.bpfDisabledReason}`;
  const { rxPackets, kernelRxPackets, kernelDecapPackets, txPackets, kernelTxPackets } = path;
  const devices = [path.joinDevice, path.decapDevice].filter((name) => name !== undefined);
  const verb = path.joinDevice === undefined ? 'decapsulated' : 'joined';
  const tcp = devices.length === 0 ? '' : ` (${kernelDecapPackets} ${verb} by ${devices.join(' or ')})`;
  return `on: ${kernelRxPackets} of ${rxPackets} packets received${tcp}, ${kernelTxPackets} of ${txPackets} sent`;
}

/** Rows only for exceptions: devices usually compute checksums. */
function checksumRows({ network, at }: StatusV1, style: Style): readonly Row[] {
  return (network?.checksumOffload ?? []).flatMap(
    ({ device, setting, found, since, isOn }): readonly Row[] => {
      const age = since === undefined ? '' : `, for ${formatDuration(msBetween(since, at))}`;
      if (setting === 'off') return [['checksums', `of ${device} by this host, by the network config`]];
      if (found === 'suspect')
        return [['checksums', `of ${device} ${style.warn('seem wrong')}; checking again`]];
      if (found === 'off') return [['checksums', `of ${device} by this host: the offload was off before`]];
      if (isOn !== false) return [];
      return [['checksums', `of ${device} by this host: ${style.warn('devices compute them wrong')}${age}`]];
    },
  );
}

function underlayRow(status: StatusV1): Row | undefined {
  const { interface: underlay } = status;
  if (underlay === undefined) return undefined;
  const { name, address, addressV6, publicIp, publicIpv6, mtu, selectedBy } = underlay;
  const own = [address, addressV6].filter(Boolean).join(', ');
  const others = [publicIp, publicIpv6].filter(
    (ip) => ip !== undefined && ip !== address && ip !== addressV6,
  );
  const nat = others.length === 0 ? '' : `, peers send to ${others.join(', ')}`;
  return ['underlay', `${name} ${own}${nat}, MTU ${mtu}  (${selectedBy})`];
}

function registryRow({ registry, at }: StatusV1, style: Style): Row {
  const { isConnected, endpoints, revision, lastContactAt, lastKnownAt, lastError, badKeyCount } = registry;
  const contact =
    lastContactAt === undefined ? '' : `, contact ${formatDuration(msBetween(lastContactAt, at))} ago`;
  const known =
    lastKnownAt === undefined
      ? ''
      : `, peers known ${formatDuration(msBetween(lastKnownAt, at))} ago by an earlier daemon`;
  const state = isConnected ? style.good('connected') : style.bad('unreachable');
  const why = isConnected || lastError === undefined ? '' : `: ${lastError}`;
  const bad =
    badKeyCount === 0
      ? ''
      : `, ${badKeyCount === 1 ? '1 key is no lease' : `${badKeyCount} keys are no leases`}`;
  return ['registry', `${state}, ${endpoints.join(' ')}, revision ${revision}${contact}${known}${bad}${why}`];
}

function kernelRow({ kernel, at }: StatusV1, style: Style): Row | undefined {
  if (kernel === undefined) return undefined;
  const state = kernel.host === 'in-sync' ? style.good('in sync') : style.bad(kernel.host);
  const repairs = Object.values(kernel.drift).reduce((sum, count) => sum + count, 0);
  const repaired =
    repairs === 0 ? '' : `, ${repairs} ${repairs === 1 ? 'change' : 'changes'} by others repaired`;
  const last =
    kernel.lastRunAt === undefined ? '' : `, last run ${formatDuration(msBetween(kernel.lastRunAt, at))} ago`;
  return ['kernel', `${state}${last}${repaired}`];
}

/** What is in the kernel, and what answers. */
function peersRow({ peers, network }: StatusV1, style: Style): Row | undefined {
  if (network === undefined) return undefined;
  const { inSync, pending, errors, liveness } = peers;
  const programmed = [
    inSync > 0 && style.good(`${inSync} programmed`),
    pending > 0 && style.warn(`${pending} pending`),
    errors > 0 && style.bad(`${errors} in error`),
  ].filter(Boolean);
  const alive = liveness === undefined ? [] : livenessCounts(liveness, style);
  if (programmed.length === 0) return ['peers', 'none'];
  return ['peers', [programmed.join(', '), alive.join(', ')].filter(Boolean).join('; ')];
}

function livenessCounts(
  { reachable, silent, unknown, 'overlay-broken': broken }: NonNullable<StatusV1['peers']['liveness']>,
  style: Style,
): readonly string[] {
  return [
    reachable > 0 && style.good(`${reachable} reachable`),
    silent > 0 && style.bad(`${silent} silent`),
    broken > 0 && style.bad(`${broken} on the underlay alone`),
    unknown > 0 && style.warn(`${unknown} not probed`),
  ].filter((text) => text !== false);
}
