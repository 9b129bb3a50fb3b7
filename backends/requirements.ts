// What every backend requires of this host, and which kernel state is this daemon's own.
import type { Family, IpAddress } from '../lib/address.ts';
import type { BackendType, NetworkConfig } from '../allocator/config/config.ts';
import { BackendError } from './backend.ts';
import type { HostFacts, Ownership } from './backend.ts';
import { familiesOf, interfaceAddressOf, publicIpOf, rangeOf } from './address-family.ts';

/**
 * Backend type as published. flannel leaves it out for udp and alloc, so these two are equal on the
 * wire.
 */
export function wireType(type: BackendType): string {
  return type === 'udp' || type === 'alloc' ? '' : type;
}

/** Ownership of routes inside the networks of `config`, through `devices` or the interface. */
export function ownershipOf(config: NetworkConfig, host: HostFacts, devices: readonly string[]): Ownership {
  const networks = [];
  for (const family of familiesOf(config)) {
    const range = rangeOf(config, family);
    if (range !== undefined) networks.push({ network: range.network, subnetLength: range.subnetLength });
  }
  return { devices, networks, interface: host.interface.name };
}

/** @throws BackendError if the interface has no address of `family`. */
export function requireInterfaceAddress(host: HostFacts, family: Family): IpAddress {
  const address = interfaceAddressOf(host, family);
  if (address !== undefined) return address;
  throw new BackendError(
    `Cannot use IPv${family}: the interface ${host.interface.name} has no IPv${family} address; ` +
      `give it one, choose another interface with --iface, or set EnableIPv${family} to false in the network config`,
  );
}

/**
 * Address that peers send to; that of the interface unless the host says otherwise.
 * @throws BackendError without any.
 */
export function requirePublicIp(host: HostFacts, family: Family): IpAddress {
  return publicIpOf(host, family) ?? requireInterfaceAddress(host, family);
}
