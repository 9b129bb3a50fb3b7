// Which MAC address this host's VTEP has. It must outlive restarts, upgrades and re-creation of the
// device, since peers hold it in their FDB; so it is never random and never left to udev.
import { createHash } from 'node:crypto';
import { parseMac } from '../lib/address.ts';
import type { Family, IpAddress, MacAddress } from '../lib/address.ts';
import { parseVxlanData } from './vxlan-backend-data.ts';

export interface VtepIdentity {
  readonly publicIp: IpAddress;
  readonly vni: number;
  readonly family: Family;
}

/** MACs that peers publish. */
export type TakenMacs = Pick<ReadonlySet<MacAddress>, 'has'>;

/**
 * The MAC that `previousData` (what this host published before) names if usable, else one derived
 * from `identity`; in both cases one that no peer has. A host that renumbers keeps its MAC, so that
 * the next host with its former address would derive the same.
 */
export function stableVtepMac(previousData: unknown, identity: VtepIdentity, taken?: TakenMacs): MacAddress {
  const previous = parseVxlanData(previousData);
  let mac = previous.ok ? previous.data.mac : deriveVtepMac(identity);
  for (let attempt = 0; taken?.has(mac) === true; attempt++) mac = deriveVtepMac(identity, attempt);
  return mac;
}

/**
 * A locally administered unicast address (IEEE 802 §8.2) that depends on `identity` and `attempt`
 * alone. Peers assume that of attempt 0 of a host that has published none.
 */
export function deriveVtepMac({ publicIp, vni, family }: VtepIdentity, attempt = 0): MacAddress {
  const suffix = attempt === 0 ? '' : ` ${attempt}`;
  const octets = createHash('sha256')
    .update(`weft vtep ${publicIp} ${vni} ${family}${suffix}`)
    .digest()
    .subarray(0, 6);
  octets[0] = (octets.readUInt8(0) & 0b1111_1100) | 0b10;
  const mac = parseMac(octets.toString('hex').replaceAll(/..(?!$)/g, '$&:'));
  if (mac === undefined) throw new Error(`Cannot format ${octets.toString('hex')} as a MAC address`);
  return mac;
}
