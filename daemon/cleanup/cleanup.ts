// Removes from this host what weft or flannel left on it, or only says what that is.
import { openNetlinkKernel } from '../kernel/netlink-kernel.ts';
import { findDaemon } from './running-daemon.ts';
import { findArtifacts, type Artifact } from './artifacts.ts';

/** A daemon runs: it would make all of it again. The message has the remedy. */
export class DaemonRunningError extends Error {
  constructor(command: string, pid: number) {
    super(
      `${command} runs here (process ${pid}) and needs what would be removed: stop it first, or look only (--dry-run), or remove all the same (--force)`,
    );
    this.name = 'DaemonRunningError';
  }
}

export interface CleanupOptions {
  readonly subnetFile: string;
  /** Remove nothing. */
  readonly isDryRun: boolean;
  /** Also while a daemon runs. */
  readonly isForced: boolean;
}

export interface CleanupResult extends Pick<Artifact, 'kind' | 'name'> {
  readonly result: 'found' | 'removed' | 'failed';
  /** Why it failed. */
  readonly reason?: string;
}

/** @throws DaemonRunningError, or KernelReadError if the kernel does not answer. */
export async function cleanUp({
  subnetFile,
  isDryRun,
  isForced,
}: CleanupOptions): Promise<readonly CleanupResult[]> {
  const daemon = isDryRun || isForced ? undefined : await findDaemon();
  if (daemon !== undefined) throw new DaemonRunningError(daemon.command, daemon.pid);
  const kernel = openNetlinkKernel();
  try {
    const cleaned: CleanupResult[] = [];
    for (const artifact of await findArtifacts(kernel, subnetFile))
      cleaned.push(await clean(artifact, isDryRun));
    return cleaned;
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
