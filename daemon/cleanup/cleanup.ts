// `weft cleanup`: removes from this host what weft or flannel left on it, or lists it.
import { WeftError } from '../../api/errors.ts';
import type { Native } from '../../native/index.ts';
import { openNetlinkKernel } from '../kernel/netlink-kernel.ts';
import { findArtifacts, type Artifact } from './artifacts.ts';
import { findDaemon } from './running-daemon.ts';

/** A running daemon would create all of it again. The message has the remedy. */
export class DaemonRunningError extends WeftError {
  constructor(command: string, pid?: number) {
    super(
      'DAEMON_RUNNING',
      `${command} runs here${pid === undefined ? '' : ` (process ${pid})`} and needs what would be removed: stop it first, or list only (--dry-run), or remove anyway (--force)`,
    );
  }
}

export interface CleanupOptions {
  /** Weft's addon; without it errors of the kernel have no text. */
  readonly native: Native | undefined;
  readonly subnetFile: string;
  /** Remove nothing. */
  readonly isDryRun: boolean;
  /** Remove also while a daemon runs. */
  readonly isForced: boolean;
  /** Artifacts elsewhere than in kernel, firewall and subnet.env; removed first. */
  readonly others?: readonly Artifact[];
}

export interface CleanupResult extends Pick<Artifact, 'kind' | 'name'> {
  /** `found` in a dry run. */
  readonly result: 'found' | 'removed' | 'failed';
  /** Why the removal failed. */
  readonly reason?: string;
}

/**
 * One result an artifact, in the order of removal. A failed one does not stop the rest.
 * @throws DaemonRunningError, or KernelReadError if the kernel does not answer.
 */
export async function cleanUp(options: CleanupOptions): Promise<readonly CleanupResult[]> {
  const { native, subnetFile, isDryRun, isForced, others = [] } = options;
  const daemon = isDryRun || isForced ? undefined : await findDaemon();
  if (daemon !== undefined) throw new DaemonRunningError(daemon.command, daemon.pid);
  const kernel = openNetlinkKernel({ native });
  try {
    const results: CleanupResult[] = [];
    for (const artifact of [...others, ...(await findArtifacts(kernel, subnetFile, native))])
      results.push(await clean(artifact, isDryRun));
    return results;
  } finally {
    kernel.close();
  }
}

async function clean(artifact: Artifact, isDryRun: boolean): Promise<CleanupResult> {
  const { kind, name } = artifact;
  if (isDryRun) return { kind, name, result: 'found' };
  const reason = await artifact.remove();
  return reason === undefined ? { kind, name, result: 'removed' } : { kind, name, result: 'failed', reason };
}
