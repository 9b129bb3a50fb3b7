// flannel's backend tencent-vpc: the VPC routes between hosts, each of which puts the route of its own
// subnet into the VPC's table. IPv4 alone.
import type { Ipv4 } from '../lib/address.ts';
import { BackendError, type Backend } from './backend.ts';
import { familiesOf } from './address-family.ts';
import { unencapsulatedMtu } from './mtu.ts';
import { derivePeerState } from './peer-state.ts';
import { ownershipOf, requirePublicIp } from './requirements.ts';

export const tencentVpcBackend: Backend = {
  type: 'tencent-vpc',

  attributes(config, host) {
    if (familiesOf(config).includes(6))
      throw new BackendError(
        'Cannot use tencent-vpc with IPv6: its routes are of IPv4; set EnableIPv6 to false',
      );
    return { backendType: 'tencent-vpc', publicIp: requirePublicIp(host, 4) as Ipv4 };
  },

  mtu(_config, host) {
    return unencapsulatedMtu(host.interface.mtu);
  },

  ownership(config, host) {
    return ownershipOf(config, host, []);
  },

  deriveHost({ config: { backend }, host, own }) {
    if (backend.type !== 'tencent-vpc')
      throw new TypeError(`Cannot derive a cloud's route from the config of backend "${backend.type}"`);
    const { ipv4 } = own.subnets;
    if (ipv4 === undefined) return [];
    const { accessKeyId, accessKeySecret } = backend;
    const gateway = own.attributes.publicIp ?? (requirePublicIp(host, 4) as Ipv4);
    return [{ kind: 'cloud-route', destination: ipv4, gateway, accessKeyId, accessKeySecret }];
  },

  derivePeer(context, peer) {
    return derivePeerState(context, peer, () => ({ mode: 'direct', objects: [] }));
  },
};
