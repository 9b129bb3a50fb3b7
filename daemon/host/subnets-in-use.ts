// Which of several leases of this host its containers live in, where subnet.env names none of them:
// a device has an address in it, as the bridge of the containers has. Pure but for the read of devices
// that the caller provides.
import { contains } from '../../lib/address.ts';
import { belongsTo, type NodeIdentity } from '../../allocator/lease/node-identity.ts';
import type { Lease, LeaseSubnets } from '../../allocator/lease.ts';
import type { Interface } from '../kernel/kernel.ts';
import { OVERLAY_DEVICE } from './interface-lookup.ts';

export interface PreviousSubnetsInput {
  /** The subnets of subnet.env. */
  readonly written: LeaseSubnets | undefined;
  readonly identity: NodeIdentity;
  readonly leases: Iterable<Lease>;
  /** Called only if subnet.env does not decide. */
  readonly readInterfaces: () => Promise<readonly Interface[]>;
}

/** The subnets that this host had before, as far as anything says so. */
export async function previousSubnets(input: PreviousSubnetsInput): Promise<LeaseSubnets | undefined> {
  const { written, identity, leases, readInterfaces } = input;
  const own = Array.from(leases).filter(({ attributes }) => belongsTo(attributes, identity));
  if (own.length < 2 || own.some(({ subnets }) => isSame(subnets, written))) return written;
  const devices = (await readInterfaces()).filter(({ name }) => !OVERLAY_DEVICE.test(name));
  return own.find(({ subnets }) => isUsed(subnets, devices))?.subnets ?? written;
}

function isSame(a: LeaseSubnets, b: LeaseSubnets | undefined): boolean {
  return b !== undefined && (a.ipv4 === undefined ? a.ipv6 === b.ipv6 : a.ipv4 === b.ipv4);
}

function isUsed({ ipv4, ipv6 }: LeaseSubnets, devices: readonly Interface[]): boolean {
  return [ipv4, ipv6].some(
    (subnet) =>
      subnet !== undefined &&
      devices.some(({ addresses }) => addresses.some(({ address }) => contains(subnet, address))),
  );
}
