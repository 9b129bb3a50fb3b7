// Peers whose tunnel can be probed for checksums: overlay addresses that routes reach through a
// device of ours. Pure.
import { familyOf, type Family, type IpAddress } from '../../lib/address.ts';
import type { Random } from '../../lib/backoff.ts';
import { HOST } from '../reconciler/desired-state.ts';
import type { Reconciler } from '../reconciler/reconciler.ts';

type Source = Pick<Reconciler, 'objectsOf' | 'status' | 'ownership'>;

/** At most `count`, picked at random. */
export function chooseTunnelPeers(
  reconciler: Source,
  family: Family,
  count: number,
  random: Random = Math.random,
): readonly IpAddress[] {
  // Else each of thousands of peers would be tried in vain.
  if (!hasOverlayAddress(reconciler, family)) return [];
  const keys: string[] = [];
  for (const [key, { state, mode }] of reconciler.status().peerStatus)
    if (state === 'in-sync' && mode === 'tunnel') keys.push(key);
  const chosen: IpAddress[] = [];
  while (chosen.length < count && keys.length > 0) {
    const index = Math.floor(random() * keys.length);
    const address = gatewayOf(reconciler, keys[index]!, family);
    if (address !== undefined) chosen.push(address);
    keys[index] = keys.at(-1)!;
    keys.pop();
  }
  return chosen;
}

function hasOverlayAddress(reconciler: Source, family: Family): boolean {
  const devices = reconciler.ownership?.devices ?? [];
  for (const object of reconciler.objectsOf(HOST).values())
    if (object.kind === 'address' && familyOf(object.address) === family && devices.includes(object.dev))
      return true;
  return false;
}

/** The peer's overlay address; `undefined` for a peer with direct routing in this family. */
function gatewayOf(reconciler: Source, key: string, family: Family): IpAddress | undefined {
  const devices = reconciler.ownership?.devices ?? [];
  for (const object of reconciler.objectsOf(key).values())
    if (object.kind === 'route' && familyOf(object.destination) === family && devices.includes(object.dev))
      return object.gateway;
  return undefined;
}
