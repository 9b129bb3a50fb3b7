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

/**
 * The MAC that `previousData` (what this host published before) names if usable, else one derived
 * from `identity`.
 */
export function stableVtepMac(previousData: unknown, identity: VtepIdentity): MacAddress {
  const previous = parseVxlanData(previousData);
  return previous.ok ? previous.data.mac : deriveVtepMac(identity);
}

/** A locally administered unicast address (IEEE 802 §8.2) that depends on `identity` alone. */
export function deriveVtepMac({ publicIp, vni, family }: VtepIdentity): MacAddress {
  const octets = createHash('sha256')
    .update(`weft vtep ${publicIp} ${vni} ${family}`)
    .digest()
    .subarray(0, 6);
  octets[0] = (octets.readUInt8(0) & 0b1111_1100) | 0b10;
  const mac = parseMac(octets.toString('hex').replaceAll(/..(?!$)/g, '$&:'));
  if (mac === undefined) throw new Error(`Cannot format ${octets.toString('hex')} as a MAC address`);
  return mac;
}
