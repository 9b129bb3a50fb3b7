// The kernel's state of the overlay, read at this moment rather than as the reconciler knows it.
import { isSetting, objectKey } from '../../backends/kernel-state.ts';
import { readSetting, type ActualState, type Kernel } from '../kernel/kernel.ts';
import { HOST } from '../reconciler/desired-state.ts';
import type { Reconciler } from '../reconciler/reconciler.ts';
import type { DaemonView } from '../view/node-view.ts';
import { ControlError } from './endpoint.ts';

export interface KernelSnapshot {
  readonly kernel: Kernel;
  readonly reconciler: Reconciler;
  readonly actual: ActualState;
}

/** Reads everything that is this daemon's, settings too. @throws ControlError while there is nothing to read. */
export async function readKernelNow({ kernel, reconciler, readiness }: DaemonView): Promise<KernelSnapshot> {
  const ownership = reconciler?.ownership;
  if (kernel === undefined || reconciler === undefined || ownership === undefined)
    throw new ControlError(
      503,
      'not-ready',
      `The daemon has not programmed anything yet: ${readiness.phase}`,
    );
  const actual = await kernel.readState(ownership);
  for (const want of reconciler.objectsOf(HOST).values()) {
    const found = isSetting(want) ? await readSetting(kernel, want) : undefined;
    if (found !== undefined) actual.objects.set(objectKey(want), found);
  }
  return { kernel, reconciler, actual };
}
