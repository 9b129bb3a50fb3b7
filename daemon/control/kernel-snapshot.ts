// Reads the kernel's state of the overlay now, past the reconciler's cache.
import { isSetting, objectKey } from '../../backends/kernel-state.ts';
import { readSetting, type ActualState } from '../kernel/kernel.ts';
import { HOST } from '../reconciler/desired-state.ts';
import type { KernelReader, NodeView, ReconcilerView } from '../view/node-view.ts';
import { ControlError } from './endpoint.ts';

export interface KernelSnapshot {
  readonly kernel: KernelReader;
  readonly reconciler: ReconcilerView;
  readonly actual: ActualState;
}

/**
 * Reads every managed object, settings included.
 * @throws ControlError before the first reconcile run.
 */
export async function readKernelSnapshot({
  kernel,
  reconciler,
  readiness,
}: NodeView): Promise<KernelSnapshot> {
  const ownership = reconciler?.ownership;
  if (kernel === undefined || reconciler === undefined || ownership === undefined)
    throw new ControlError(
      503,
      'not-ready',
      `The daemon has not programmed the kernel yet: ${readiness.phase}`,
    );
  const actual = await kernel.readState(ownership);
  for (const want of reconciler.objectsOf(HOST).values()) {
    const found = isSetting(want) ? await readSetting(kernel, want) : undefined;
    if (found !== undefined) actual.objects.set(objectKey(want), found);
  }
  return { kernel, reconciler, actual };
}
