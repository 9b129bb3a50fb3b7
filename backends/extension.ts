// flannel's backend extension: commands of the operator make what leads to peers. This host's own
// commands and those of each peer are objects beside those of the kernel, so that they are
// reconciled as such: each runs once, and again only after a failure or with other values.
import type { Ipv4, Ipv6 } from '../lib/address.ts';
import type { ExtensionConfig, NetworkConfig } from '../allocator/config/config.ts';
import type { Lease, LeaseAttributes } from '../allocator/lease.ts';
import type { Backend, BackendContext, HostFacts, PeerState } from './backend.ts';
import { familiesOf } from './address-family.ts';
import type { CommandObject } from './kernel-state.ts';
import { unencapsulatedMtu } from './mtu.ts';
import { derivePeerState, type PeerFamily } from './peer-state.ts';
import { ownershipOf, requirePublicIp } from './requirements.ts';

export const extensionBackend: Backend = {
  type: 'extension',

  attributes(config, host) {
    let attributes: LeaseAttributes = {
      backendType: 'extension',
      ...(host.extensionData !== undefined && { backendData: host.extensionData }),
    };
    for (const family of familiesOf(config)) {
      const publicIp = requirePublicIp(host, family);
      attributes =
        family === 4
          ? { ...attributes, publicIp: publicIp as Ipv4 }
          : { ...attributes, publicIpv6: publicIp as Ipv6 };
    }
    return attributes;
  },

  mtu(_config, host) {
    return unencapsulatedMtu(host.interface.mtu);
  },

  ownership(config, host) {
    const { networks, ...ownership } = ownershipOf(config, host, []);
    // Routes of the commands are theirs, also where they have the shape of flannel's: subnet length
    // 0 is that of no host.
    const known = networks.map(({ network }) => ({ network, subnetLength: 0 }));
    return { ...ownership, networks: known, hasCommands: true };
  },

  deriveHost(context) {
    const { postStartupCommand, shutdownCommand, isShell } = extensionConfigOf(context.config);
    return [
      {
        kind: 'command',
        subject: 'host',
        addCommand: postStartupCommand,
        removeCommand: shutdownCommand,
        isShell,
        environment: hostEnvironment(context),
        input: '\n',
      },
    ];
  },

  derivePeer(context, peer) {
    const data = peer.attributes.backendData ?? '';
    if (typeof data !== 'string') return badData(data);
    const families: PeerFamily[] = [];
    const state = derivePeerState(context, peer, (family) => {
      families.push(family);
      return { mode: 'command', objects: [] };
    });
    const [first] = families;
    if (state.mode === 'error' || first === undefined) return state;
    return { ...state, objects: [peerCommand(context, peer, families, `${data}\n`)] };
  },
};

/** The command that runs before the lease is published; its output becomes the backend data. */
export function startupCommand({ preStartupCommand, isShell }: ExtensionConfig): CommandObject {
  return {
    kind: 'command',
    subject: 'startup',
    addCommand: preStartupCommand,
    removeCommand: '',
    isShell,
    environment: '',
    input: '\n',
  };
}

function extensionConfigOf(config: NetworkConfig): ExtensionConfig {
  if (config.backend.type !== 'extension')
    throw new TypeError(`Cannot derive commands from the config of backend "${config.backend.type}"`);
  return config.backend;
}

/** flannel's variables of its PostStartupCommand, with its texts for what is unset. */
function hostEnvironment({ config, host, own }: BackendContext): string {
  const { publicIp, publicIpv6 } = host as Pick<HostFacts, 'publicIp' | 'publicIpv6'>;
  return lines({
    NETWORK: config.ipv4?.network ?? '0.0.0.0/0',
    SUBNET: own.subnets.ipv4 ?? '0.0.0.0/0',
    IPV6SUBNET: own.subnets.ipv6 ?? '::/0',
    PUBLIC_IP: own.attributes.publicIp ?? publicIp ?? '<nil>',
    PUBLIC_IPV6: own.attributes.publicIpv6 ?? publicIpv6 ?? '<nil>',
  });
}

function peerCommand(
  { config }: BackendContext,
  { subnets }: Lease,
  families: readonly PeerFamily[],
  input: string,
): CommandObject {
  const { subnetAddCommand, subnetRemoveCommand, isShell } = extensionConfigOf(config);
  const ipv4 = families.find(({ family }) => family === 4);
  const ipv6 = families.find(({ family }) => family === 6);
  return {
    kind: 'command',
    subject: subnets.ipv4 ?? subnets.ipv6 ?? '',
    addCommand: subnetAddCommand,
    removeCommand: subnetRemoveCommand,
    isShell,
    environment: lines({
      ...(ipv4 && { SUBNET: ipv4.subnet, PUBLIC_IP: ipv4.publicIp }),
      // flannel has none of IPv6 here.
      ...(ipv6 && { IPV6SUBNET: ipv6.subnet, PUBLIC_IPV6: ipv6.publicIp }),
    }),
    input,
  };
}

function lines(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n');
}

function badData(data: unknown): PeerState {
  const text = JSON.stringify(data).slice(0, 80);
  return { mode: 'error', reason: `its extension data is ${text}, which is no string`, objects: [] };
}
