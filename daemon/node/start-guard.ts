// Guards the start of the node: until its own objects are in the kernel once, a device that the
// kernel cannot have ends the daemon, and what this run created is taken back.
import type { LeaseEvent } from '../../allocator/lease/lease-events.ts';
import type { LeaseKeeper } from '../../allocator/lease/lease-keeper.ts';
import type { AnyRegistry } from '../../allocator/registry/registry.ts';
import type { SyncState } from '../reconciler/status/status.ts';
import type { SubnetFileWriter } from '../subnet-file/subnet-file-writer.ts';
import { linkRemedy, type LinkFailure } from './link-failure.ts';
import type { NodeState } from './node-state.ts';

export interface StartGuardDeps {
  readonly leaseManager: LeaseKeeper;
  readonly subnetFile: Pick<SubnetFileWriter, 'remove'>;
  readonly registry: AnyRegistry;
}

export class StartGuard {
  #hasSynced = false;
  #createdLease = false;

  noteLeaseEvent({ code }: LeaseEvent): void {
    if (code === 'lease-created') this.#createdLease = true;
  }

  /** Returns whether this host's own objects are in the kernel for the first time. */
  noteHostState(state: SyncState): boolean {
    const isFirst = !this.#hasSynced && state === 'in-sync';
    if (isFirst) this.#hasSynced = true;
    return isFirst;
  }

  /** Why the daemon must end, with the remedies; `undefined` if it can go on trying. */
  fatalMessage(
    failure: LinkFailure | undefined,
    state: NodeState,
    isNeeded: (device: string) => boolean,
  ): string | undefined {
    if (failure === undefined || this.#hasSynced || !isNeeded(failure.device)) return undefined;
    return linkRemedy(failure, state);
  }

  /** Takes back the subnet file and the lease that this run created. */
  async abort({ leaseManager, registry, subnetFile }: StartGuardDeps): Promise<void> {
    const { own } = leaseManager;
    leaseManager.stop();
    await subnetFile.remove();
    if (own && this.#createdLease && registry.allocation === 'claimed')
      await registry.revoke(own.leaseId).catch(() => undefined);
  }
}
