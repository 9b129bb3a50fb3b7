// Rollout of a network config: waits until the node status of each host in the registry reports it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConfigStore, ConfigSnapshot } from '../../allocator/registry/config-store.ts';
import { parseHostReport, type HostReportV1 } from '../../allocator/registry/node-status.ts';
import { decodeEntry } from '../../allocator/registry/lease-entry.ts';
import type { Revision } from '../../allocator/registry/registry.ts';

export type RolloutProgress =
  /** In force, and no earlier transport is left. */
  | { readonly state: 'followed' }
  | { readonly state: 'rejected'; readonly reason: string }
  | { readonly state: 'waiting'; readonly reason: string }
  /** The host reports no status: it runs flannel, or it is down. */
  | { readonly state: 'unreported' };

export interface NodeRollout {
  /** Public IP. */
  readonly host: string;
  /** The name that the host publishes. */
  readonly name?: string;
  readonly key: string;
  readonly progress: RolloutProgress;
}

/** Progress of each host with a lease towards the document of `revision`, in key order. */
export function rolloutStatus(view: ConfigSnapshot, revision: Revision): readonly NodeRollout[] {
  return view.leases.flatMap((entry) => {
    const decoded = decodeEntry(entry);
    if (!decoded.ok) return [];
    const { publicIp, publicIpv6 } = decoded.lease.attributes;
    const host = publicIp ?? publicIpv6 ?? entry.key;
    const report = parseHostReport(view.reports.get(host) ?? '');
    const name = report?.name;
    return [
      { host, ...(name !== undefined && { name }), key: entry.key, progress: progressOf(report, revision) },
    ];
  });
}

function progressOf(report: HostReportV1 | undefined, revision: Revision): RolloutProgress {
  if (report === undefined) return { state: 'unreported' };
  const { config, migration } = report;
  if (config.rejected !== undefined && config.rejected.revision >= revision)
    return { state: 'rejected', reason: config.rejected.reason };
  if (config.revision < revision) return { state: 'waiting', reason: 'no report of this revision yet' };
  if (migration === undefined) return { state: 'followed' };
  const { obstacle, state, waitingFor } = migration;
  return { state: 'waiting', reason: obstacle ?? `${state}, waiting for ${waitingFor} hosts` };
}

const POLL_MS = 100;
/** From the write to the first line about hosts that are missing, and from one to the next. */
const REPORT_MS = 3000;

export interface RolloutWait {
  readonly timeoutMs: number;
  /** Ends the wait early. */
  readonly signal: AbortSignal;
  /** Called once for each host that follows or rejects. */
  readonly onDone: (line: NodeRollout) => void;
  /** Called every {@link REPORT_MS} with the hosts that the wait is for. */
  readonly onWaiting: (lines: readonly NodeRollout[]) => void;
}

/** Polls until every host follows or rejects, or the wait ends. */
export async function waitForRollout(
  store: ConfigStore,
  revision: Revision,
  { timeoutMs, signal, onDone, onWaiting }: RolloutWait,
): Promise<readonly NodeRollout[]> {
  const endMs = performance.now() + timeoutMs;
  let reportAtMs = performance.now() + REPORT_MS;
  const reported = new Set<string>();
  for (;;) {
    const lines = rolloutStatus(await store.read(), revision);
    for (const line of lines) {
      const isDone = line.progress.state === 'followed' || line.progress.state === 'rejected';
      if (!isDone || reported.has(line.host)) continue;
      reported.add(line.host);
      onDone(line);
    }
    const waiting = lines.filter(({ progress }) => progress.state === 'waiting');
    if (waiting.length === 0 || performance.now() >= endMs || signal.aborted) return lines;
    if (performance.now() >= reportAtMs) {
      onWaiting(waiting);
      reportAtMs = performance.now() + REPORT_MS;
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}
