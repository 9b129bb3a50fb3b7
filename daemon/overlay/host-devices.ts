// Which of this host's devices the wanted transport needs, and whether the kernel has all of those.
import { HOST } from '../reconciler/desired-state.ts';
import { isInSync } from '../reconciler/diff.ts';
import { deviceOf } from '../reconciler/object-device.ts';
import type { Reconciler } from '../reconciler/reconciler.ts';
import type { TransportContexts } from './derive-overlay.ts';
import { deriveHostFor } from './derive-transports.ts';

/** Whether the transport `wantedId` needs the device, or nothing was derived for it yet. */
export function needsDevice(contexts: TransportContexts, wantedId: string, device: string): boolean {
  const wanted = contexts.get(wantedId);
  return wanted === undefined || deriveHostFor([wanted]).some((object) => deviceOf(object) === device);
}

/**
 * Whether the kernel holds this host's own objects, except those of devices that only other
 * transports need: this host may have no room for them, which must not block the transport
 * `wantedId`.
 */
export function isHostInPlace(
  reconciler: Pick<Reconciler, 'summary' | 'objectsOf' | 'known'>,
  contexts: TransportContexts,
  wantedId: string,
): boolean {
  if (reconciler.summary().host.state === 'in-sync') return true;
  const devices = deriveHostFor([...contexts.values()]).map(deviceOf);
  const unneeded = new Set(
    devices.filter((device) => device !== undefined && !needsDevice(contexts, wantedId, device)),
  );
  for (const [key, object] of reconciler.objectsOf(HOST))
    if (!unneeded.has(deviceOf(object)) && !isInSync(object, reconciler.known?.objects.get(key)))
      return false;
  return true;
}
