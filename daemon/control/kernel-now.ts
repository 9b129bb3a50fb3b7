// The kernel's state of the overlay, read at this moment rather than as the reconciler knows it.
import { objectKey } from '../../backends/kernel-state.ts';
import type { ActualObject } from '../kernel/actual.ts';
import type { ActualState, Kernel } from '../kernel/kernel.ts';
import { HOST } from '../reconciler/desired-state.ts';
import type { Reconciler } from '../reconciler/reconciler.ts';
import type { DaemonView } from './daemon-view.ts';
import { ControlError } from './endpoint.ts';

export interface KernelNow {
  readonly kernel: Kernel;
  readonly reconciler: Reconciler;
  readonly actual: ActualState;
}

/** Reads everything that is this daemon's, settings under /proc/sys too. @throws ControlError while there is nothing to read. */
export async function readKernelNow({ kernel, reconciler, readiness }: DaemonView): Promise<KernelNow> {
  const ownership = reconciler?.ownership;
  if (kernel === undefined || reconciler === undefined || ownership === undefined)
    throw new ControlError(
      503,
      'not-ready',
      `The daemon has not programmed anything yet: ${readiness.phase}`,
    );
  const actual = await kernel.readState(ownership);
  for (const want of reconciler.objectsOf(HOST).values()) {
    if (want.kind !== 'sysctl') continue;
    const value = await kernel.readSysctl(want.path);
    if (value !== undefined) actual.objects.set(objectKey(want), { ...want, value } satisfies ActualObject);
  }
  return { kernel, reconciler, actual };
}
