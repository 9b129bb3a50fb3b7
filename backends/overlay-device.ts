// What a device of the overlay needs whatever is behind it, kernel or packet path: an MTU that is
// left for packets, an address, no router advertisements.
import { addressOf, bitsOf } from '../lib/address.ts';
import type { Cidr, Family } from '../lib/address.ts';
import { BackendError } from './backend.ts';
import type { HostFacts } from './backend.ts';
import type { KernelObject, LinkObject, OverlayMtu, UnderlayMtu } from './kernel-state.ts';
import { MINIMUM_MTU_BYTES, encapsulatedMtu } from './mtu.ts';

/** How packets of the underlay become packets of the overlay. */
export interface EncapsulationOverhead {
  /** As messages call it, for example `VXLAN`. */
  readonly name: string;
  /** `Backend.MTU` of the network config: MTU of the underlay, in bytes. */
  readonly configuredMtu: number | undefined;
  readonly overheadBytes: (family: Family) => number;
}

/**
 * MTU of the device for `family`: what the encapsulation leaves of the underlay's.
 * @throws BackendError if that is less than `family` needs.
 */
export function deviceMtu(
  { name, configuredMtu, overheadBytes }: EncapsulationOverhead,
  host: HostFacts,
  family: Family,
): OverlayMtu {
  // Above the interface's own MTU the kernel clamps or rejects it, and packets could not leave
  // anyway.
  const underlay = Math.min(configuredMtu ?? Infinity, host.interface.mtu) as UnderlayMtu;
  const mtu = encapsulatedMtu(underlay, overheadBytes(family));
  const minimum = MINIMUM_MTU_BYTES[family];
  if (mtu >= minimum) return mtu;
  throw new BackendError(
    `Cannot carry IPv${family} in ${name} over ${host.interface.name}: an underlay MTU of ${underlay} leaves ${mtu} bytes ` +
      `and IPv${family} needs ${minimum}; raise Backend.MTU or the interface's MTU to ` +
      `${minimum + overheadBytes(family)} or more`,
  );
}

/**
 * Name of a device whose usual name another one has: `flannel-p8472`, `flannel6-p8472`; at most 15
 * characters.
 */
export function portDeviceName(port: number, family: Family): string {
  return family === 4 ? `flannel-p${port}` : `flannel6-p${port}`;
}

/** The device with what belongs on it, for a host with the lease `subnet`. */
export function deviceObjects(link: LinkObject, family: Family, subnet: Cidr): readonly KernelObject[] {
  return [
    link,
    // A host address only: a prefix would bring broadcast routes, and peers' replies need no more.
    { kind: 'address', dev: link.name, address: `${addressOf(subnet)}/${bitsOf(family)}` as Cidr },
    // A router advertisement through the tunnel must not give the host a default route.
    { kind: 'sysctl', path: `net/ipv6/conf/${link.name}/accept_ra`, value: '0' },
    ...(family === 6 ? [enableIpv6(link.name)] : []),
    ...(link.type === 'tun' && family === 4 ? [acceptLocal(link.name)] : []),
  ];
}

/** The kernel takes its default for new devices, which administrators turn off. */
function enableIpv6(dev: string): KernelObject {
  return { kind: 'sysctl', path: `net/ipv6/conf/${dev}/disable_ipv6`, value: '0' };
}

/**
 * ICMP errors of the packet path come from this host's own address, and through the device, which
 * the kernel takes for martians otherwise (Documentation/networking/ip-sysctl.rst). IPv6 has no
 * such check.
 */
function acceptLocal(dev: string): KernelObject {
  return { kind: 'sysctl', path: `net/ipv4/conf/${dev}/accept_local`, value: '1' };
}
