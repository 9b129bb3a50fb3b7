// Checks of kernel state: drift, contested objects, routes, filters, table sizes.
import type { DifferenceV1 } from '../../api/index.ts';
import { truncate, type Check, type Found } from './check.ts';
import type { Facts } from './facts.ts';
import { findSourceChecks } from './path/route-checks.ts';
import { sysctlFix } from './text/shell-word.ts';

/** A difference that lasts this long is no change in progress. */
const STEADY_MS = 600;

/**
 * Router advertisements on an overlay device. Where /proc/sys is read-only, as in a pod, the daemon
 * cannot turn them off, and the device works without that: a host that forwards ignores them.
 */
const MINOR_SETTING = /^sysctl net\/ipv6\/conf\/flannel[^/]*\/accept_ra$/;

const kernelDrift: Check = {
  id: 'kernel-drift',
  about: 'whether devices, routes, neighbours, FDB entries and rules match the desired state',
  run: async (facts) => {
    const before = await readFaults(facts);
    if (before.length === 0) return [];
    await new Promise((resolve) => setTimeout(resolve, STEADY_MS));
    const objects = new Set(before.map(({ object }) => object));
    const steady = (await readFaults(facts)).filter(({ object }) => objects.has(object));
    if (steady.length === 0) return [];
    return [
      {
        severity: 'error',
        title: `Kernel state differs from the desired state: ${steady.length} objects`,
        evidence: truncate(steady.map(describeDifference)),
        impact: 'Packets of these peers or containers are lost or take another route',
        fix: 'weft diff; weft watch shows recurring drift; journalctl -u weft',
      },
    ];
  },
};

/**
 * The kernel gives a device without a queue this length as soon as it has a discipline of tc(8)
 * (qdisc_create), without a notification. No packet depends on it.
 */
const MINOR_DIFFERENCE = /^txqlen \d+$/;

async function readFaults(facts: Facts): Promise<readonly DifferenceV1[]> {
  const differences = (await facts.readDiff())?.differences ?? [];
  return differences.filter(
    ({ object, what = '' }) => !MINOR_SETTING.test(object) && !MINOR_DIFFERENCE.test(what),
  );
}

function describeDifference({ kind, object, what, reason }: DifferenceV1): string {
  return `${kind}: ${object}${what === undefined ? '' : ` (${what})`}${reason === undefined ? '' : `: ${reason}`}`;
}

const contested: Check = {
  id: 'contested',
  about: 'whether another program keeps changing kernel state of the daemon',
  run: async (facts) => {
    const objects = (await facts.status)?.kernel?.contested ?? [];
    if (objects.length === 0) return [];
    return [
      {
        severity: 'error',
        title: 'Another program on this host keeps changing kernel state of the daemon',
        evidence: truncate(objects),
        impact: 'Packets are lost until each repair',
        fix: 'weft watch; find the other program: NetworkManager, systemd-networkd, flanneld, a script (auditctl, bpftrace)',
      },
    ];
  },
};

const peerError: Check = {
  id: 'peer-error',
  about: 'whether this host can send to every peer',
  run: async (facts) => {
    const wrong = (await facts.peers)?.peers.filter(({ state }) => state === 'error') ?? [];
    if (wrong.length === 0) return [];
    return [
      {
        severity: 'error',
        title: `${wrong.length} ${wrong.length === 1 ? 'peer is' : 'peers are'} unreachable from this host`,
        evidence: truncate(wrong.map(({ key, reason }) => `${key}: ${reason ?? 'no reason given'}`)),
        impact: 'Containers of this host do not reach containers of those hosts',
        fix: 'weft peers -p; weft status on that host; for a removed host: weft leases release SUBNET',
      },
    ];
  },
};

interface RouteGet {
  readonly dev?: string;
  readonly gateway?: string;
  readonly type?: string;
}

const rpFilter: Check = {
  id: 'rp-filter',
  about: 'whether reverse path filtering drops packets of peers',
  run: async (facts) => {
    const [status, peers] = await Promise.all([facts.status, facts.reachedPeers]);
    const name = status?.interface?.name;
    if (name === undefined) return findSourceChecks(facts);
    const mode = Math.max(
      ...(await Promise.all(
        ['all', name].map(async (dev) => Number((await facts.sysctl(`net/ipv4/conf/${dev}/rp_filter`)) ?? 0)),
      )),
    );
    const other: string[] = [];
    for (const { publicIp } of peers) {
      if (publicIp === undefined) continue;
      const [row] = (await facts.ip<RouteGet>('route', 'get', publicIp)) ?? [];
      if (row?.dev !== undefined && row.dev !== name && row.dev !== 'lo')
        other.push(`ip route get ${publicIp}: dev ${row.dev}, not ${name}`);
    }
    const inPath = await findSourceChecks(facts);
    if (other.length === 0) return inPath;
    const isStrict = mode === 1;
    return [
      {
        severity: isStrict ? 'error' : 'warning',
        title: isStrict
          ? `Strict rp_filter on ${name} drops packets of peers, as replies leave by another interface`
          : `Packets to peers leave by another interface than the selected ${name}`,
        evidence: [...truncate(other), `net/ipv4/conf/${name}/rp_filter (or all) = ${mode}`],
        impact: isStrict
          ? 'The kernel drops packets of those peers silently'
          : 'The MTU and the source address may be wrong for that interface',
        fix: isStrict
          ? `${sysctlFix(`net/ipv4/conf/${name}/rp_filter`, 2)}, or correct the routes`
          : 'correct the routes, or name the interface with --iface',
      },
      ...inPath,
    ];
  },
};

/** Share of the table that is as good as full. */
const FULL = 0.95;

/**
 * Entries that count against the limit: those of all namespaces, the first field of
 * `/proc/net/stat/arp_cache` in hex, without static ones, as of peers (neigh_alloc, since Linux 5.0).
 */
async function entriesOf(facts: Facts, family: string): Promise<number> {
  const [text, rows] = await Promise.all([
    facts.file(`proc/net/stat/${family === 'ipv4' ? 'arp' : 'ndisc'}_cache`),
    facts.ip<unknown>(family === 'ipv4' ? '-4' : '-6', 'neigh', 'show', 'nud', 'permanent'),
  ]);
  const all = Number.parseInt(text?.split('\n')[1]?.trim().split(/\s+/)[0] ?? '0', 16);
  return all - (rows?.length ?? 0);
}

const neighbourTable: Check = {
  id: 'neighbour-table',
  about: 'whether the neighbour table has room for all peers',
  run: async (facts) => {
    const peers = (await facts.status)?.peers.total ?? 0;
    const found: Found[] = [];
    for (const family of ['ipv4', 'ipv6']) {
      const limit = Number((await facts.sysctl(`net/${family}/neigh/default/gc_thresh3`)) ?? Infinity);
      const entries = await entriesOf(facts, family);
      if (entries >= limit * FULL)
        found.push({
          severity: 'error',
          title: 'The neighbour table of the kernel is full',
          evidence: [
            `/proc/net/stat: ${entries} entries of ${family}; net.${family}.neigh.default.gc_thresh3 = ${limit}`,
          ],
          impact: 'The kernel drops packets to new neighbours: "neighbour table overflow"',
          fix: `sysctl -w net.${family}.neigh.default.gc_thresh3=${4 * Math.max(entries, peers)}`,
        });
      else if (peers >= limit)
        found.push({
          severity: 'warning',
          title: 'The neighbour table of the kernel is smaller than the cluster',
          evidence: [`net.${family}.neigh.default.gc_thresh3 = ${limit}, and there are ${peers} peers`],
          impact: 'New neighbours of containers and the underlay may not fit: "neighbour table overflow"',
          fix: `sysctl -w net.${family}.neigh.default.gc_thresh3=${4 * peers}`,
        });
    }
    return found;
  },
};

export const KERNEL_CHECKS: readonly Check[] = [kernelDrift, contested, peerError, rpFilter, neighbourTable];
