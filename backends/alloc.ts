// Leases a subnet and leaves the kernel alone: something else does the routing.
import type { Ipv4, Ipv6 } from '../lib/address.ts';
import type { Backend } from './backend.ts';
import { wireType, requirePublicIp } from './requirements.ts';
import { unencapsulatedMtu } from './mtu.ts';

export const allocBackend: Backend = {
  type: 'alloc',

  attributes(config, host) {
    // flannel publishes neither a type nor an IPv6 address here; without IPv4 the latter is the
    // host's only identity.
    return config.ipv4 === undefined
      ? { backendType: wireType('alloc'), publicIpv6: requirePublicIp(host, 6) as Ipv6 }
      : { backendType: wireType('alloc'), publicIp: requirePublicIp(host, 4) as Ipv4 };
  },

  mtu(_config, host) {
    return unencapsulatedMtu(host.interface.mtu);
  },

  ownership(_config, host) {
    return { devices: [], networks: [], interface: host.interface.name };
  },

  deriveHost() {
    return [];
  },

  derivePeer() {
    return { mode: 'none', objects: [] };
  },
};
