// The network device of an object. The kernel removes a device together with everything on it.
import type { KernelObject } from '../../backends/kernel-state.ts';

const DEVICE_SYSCTL = /^net\/ipv[46]\/(?:conf|neigh)\/([^/]+)\//;

/**
 * Name of the device that `object` is or is on; unset for a global sysctl, a blackhole route,
 * the firewall, commands, routes of a cloud and IPsec.
 */
export function deviceOf(object: KernelObject): string | undefined {
  switch (object.kind) {
    case 'link':
      return object.name;
    case 'sysctl':
      return DEVICE_SYSCTL.exec(object.path)?.[1];
    case 'firewall':
    case 'command':
    case 'cloud-route':
    case 'policy':
    case 'charon':
    case 'ike':
      return undefined;
    case 'address':
    case 'feature':
    case 'neighbour':
    case 'fdb':
    case 'tunnel':
    case 'wireguard-peer':
      return object.dev;
    case 'route':
      return object.isBlackhole ? undefined : object.dev;
  }
}
