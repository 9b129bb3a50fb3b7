// Whether this host can carry traffic, computed from its parts at each call, and the status line.
// Ready: own lease held, subnet.env written, every known peer in the kernel or reported. Each can
// end again.
import type { LeaseKeeper } from '../../allocator/lease/lease-keeper.ts';
import type { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import type { DrainStateV1 } from '../../api/index.ts';
import type { ConfigStatus } from './config-watcher.ts';
import type { Readiness } from './health.ts';
import type { Reconciler } from '../reconciler/reconciler.ts';
import type { SubnetFileWriter } from '../subnet-file/subnet-file-writer.ts';

export interface ReadinessParts {
  /** What the daemon waits for while parts are missing. */
  readonly phase: string;
  /** Why the backend cannot work on this host as it is. */
  readonly error?: string | undefined;
  /** Why the host has no IPv6 though the network has. */
  readonly missingIpv6?: string | undefined;
  /** Why peers refuse the subnet of this host. */
  readonly subnetClash?: string | undefined;
  /** Whether another host publishes this host's public IP. Absent means no. */
  readonly hasPublicIpConflict?: boolean;
  readonly leaseManager?: Pick<LeaseKeeper, 'isHeld' | 'own' | 'state' | 'lastError'> &
    Partial<Pick<LeaseKeeper, 'nodeId'>>;
  readonly registryCache?: Pick<RegistryCache, 'isConnected' | 'revision'> &
    Partial<Pick<RegistryCache, 'lastError' | 'lastKnownAt'>>;
  readonly reconciler?: Pick<Reconciler, 'summary'>;
  readonly config?: ConfigStatus;
  readonly subnetFile?: Pick<SubnetFileWriter, 'problem'> & Partial<Pick<SubnetFileWriter, 'isPending'>>;
  /**
   * How long the host has been at work on a change since it was ready and at rest; unset if it never
   * was. Traffic flows as before meanwhile.
   */
  readonly unsettledMs?: number | undefined;
  /** Peers that answer no WireGuard handshake, and of which liveness reports nothing. Absent means none. */
  readonly silentPeers?: number;
  /** One line each about peers that do not answer. */
  readonly livenessProblems?: readonly string[];
  /** A peer in error with its reason; called if there is one. */
  readonly peerError?: () => string | undefined;
  /** Whether an operator took this host out of service. Absent means no. */
  readonly drainState?: DrainStateV1;
  /** Why container runtimes do not use the conflist. */
  readonly conflistProblem?: string | undefined;
}

/** How long a change may take before the host counts as not ready: a device and its file take some 30 ms. */
export const SETTLE_MS = 2000;

/** All blockers, and the notes that do not affect readiness. */
export function readinessOf(parts: ReadinessParts): Readiness {
  const { blockers, transient, notes } = collect(parts);
  const isSettling = parts.unsettledMs !== undefined && parts.unsettledMs < SETTLE_MS;
  const all = isSettling ? blockers : [...blockers, ...transient];
  return { isReady: all.length === 0, reasons: [...all, ...notes] };
}

/** Whether nothing is being changed. */
export function isAtRest(parts: ReadinessParts): boolean {
  return collect(parts).transient.length === 0;
}

interface Reasons {
  readonly blockers: readonly string[];
  /** Blockers that each change of the config, the host or the peers brings about for a moment. */
  readonly transient: readonly string[];
  readonly notes: readonly string[];
}

function collect(parts: ReadinessParts): Reasons {
  const { phase, error, leaseManager, reconciler, subnetFile, registryCache } = parts;
  const cause =
    registryCache?.isConnected === false && registryCache.lastError
      ? `: ${registryCache.lastError.message}`
      : '';
  const isDrained = parts.drainState === 'drained' || parts.drainState === 'released';
  const notes: string[] = [];
  if (isDrained)
    notes.push(`this host is ${parts.drainState}: it takes no new containers until weft drain --undo`);
  if (!leaseManager || !reconciler || !subnetFile) {
    // Before there is a text, a file can only be one to remove.
    const problem = isDrained ? subnetFile?.problem : undefined;
    const blockers = [`${phase}${cause}`, ...(problem === undefined ? [] : [problem])];
    // The phase of a released host says the same.
    return { blockers, transient: [], notes: parts.drainState === 'drained' ? notes : [] };
  }
  const blockers: string[] = error === undefined ? [] : [error];
  const transient: string[] = [];
  if (!leaseManager.isHeld) blockers.push(leaseError(leaseManager));
  if (subnetFile.problem !== undefined)
    (subnetFile.isPending === true ? transient : blockers).push(subnetFile.problem);
  const { host, pending, errors, peers, readError, isComplete } = reconciler.summary();
  // Orphans stay while peers may exist that are not known.
  if (!isComplete && registryCache?.lastKnownAt === undefined)
    blockers.push('the kernel is not programmed yet');
  if (host.state !== 'in-sync')
    (host.state === 'pending' ? transient : blockers).push(`own device: ${host.reason ?? host.state}`);
  if (pending > 0) transient.push(`${pending} of ${peers} peers are not in the kernel yet`);
  if (readError !== undefined) blockers.push(readError);
  if (parts.config?.rejected !== undefined)
    notes.push(`the newest network config is rejected: ${parts.config.rejected.reason}`);
  if (parts.subnetClash !== undefined) notes.push(parts.subnetClash);
  if (parts.hasPublicIpConflict === true)
    notes.push(
      `another host publishes the public IP ${leaseManager.nodeId} of this host, and peers send to either: ` +
        'give one of the two another address with --public-ip or --iface',
    );
  if (parts.missingIpv6 !== undefined)
    notes.push(`no IPv6 on this host, IPv4 works without it: ${parts.missingIpv6}`);
  if (parts.conflistProblem !== undefined) notes.push(parts.conflistProblem);
  if (errors > 0) notes.push(errorsNote(errors, peers, parts.peerError?.()));
  notes.push(...(parts.livenessProblems ?? []));
  if (parts.silentPeers !== undefined && parts.silentPeers > 0)
    notes.push(`${parts.silentPeers} of ${peers} peers answer no WireGuard handshake: see weft peers`);
  if (registryCache?.isConnected === false)
    notes.push(`the registry is not reachable${cause}; the peers known last${sinceOf(parts)} are in force`);
  else if (leaseManager.isHeld && leaseManager.lastError !== undefined)
    notes.push(`a write to the registry failed and is tried again: ${leaseManager.lastError.message}`);
  return { blockers, transient, notes };
}

/** Peers that an earlier process knew may be old. */
function sinceOf({ registryCache }: ReadinessParts): string {
  const { lastKnownAt } = registryCache ?? {};
  return lastKnownAt === undefined ? '' : `, of ${lastKnownAt} by a file,`;
}

function leaseError({ state, lastError }: NonNullable<ReadinessParts['leaseManager']>): string {
  return `the lease is ${state}${lastError === undefined ? '' : `: ${lastError.message}`}`;
}

/** For example `10.5.72.0/24, 9 peers programmed`. */
export function statusLine(parts: ReadinessParts): string {
  const { leaseManager, reconciler } = parts;
  const own = leaseManager?.own;
  if (!own || !reconciler) return parts.phase;
  const { inSync, pending, errors } = reconciler.summary();
  const counts = [
    `${inSync} peers programmed`,
    pending > 0 && `${pending} pending`,
    errors > 0 && `${errors} in error`,
  ];
  return [own.subnets.ipv4, own.subnets.ipv6, ...counts].filter(Boolean).join(', ');
}

/** @param example - one of them, with its reason. */
function errorsNote(errors: number, peers: number, example: string | undefined): string {
  const others = errors > 1 ? '; weft peers -p has the others' : '';
  const reason = example === undefined ? 'weft peers -p has the reasons' : `${example}${others}`;
  return `${errors} of ${peers} peers cannot be programmed: ${reason}`;
}
