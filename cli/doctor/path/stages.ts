// The hooks that packets between a local container and one of a peer meet on this host, in both
// directions: around the routing of the inner packet, and around the tunnel's own packet. Pure.
import type { Family, IpAddress } from '../../../lib/address.ts';
import type { Hook, Packet, Protocol } from '../../../daemon/trace/packet.ts';

/** What carries packets between hosts. */
export interface Tunnel {
  readonly protocol: Protocol;
  /** Of `udp`. */
  readonly port?: number;
  /** Both ends send from that port, so that connection tracking sees one connection. */
  readonly isSymmetric: boolean;
}

export interface Stage {
  readonly hook: Hook;
  readonly packet: Packet;
  readonly direction: 'sent' | 'received';
  /** The packet between containers, the tunnel's, or ARP between a container and its bridge. */
  readonly layer: 'inner' | 'tunnel' | 'arp';
  /** Of the tunnel's packet. */
  readonly tunnel?: Tunnel;
}

export interface Journey {
  readonly family: Family;
  /** Addresses of the containers. */
  readonly local: IpAddress;
  readonly remote: IpAddress;
  /** Device of local containers; unset if none is known. */
  readonly bridge?: string;
  /** A port of that bridge, of a container; unset if none is known. */
  readonly port?: string;
  readonly device: string;
  /** All kinds of packets that the tunnel needs; empty where packets are routed without one. */
  readonly tunnels: readonly Tunnel[];
  /** Of the tunnel; unset where packets are routed without one. */
  readonly outer?: { readonly local: IpAddress; readonly remote: IpAddress; readonly device: string };
}

/** Ports that few rules are about. */
const [SOURCE_PORT, TARGET_PORT] = [40_001, 39_999];

/** All stages. A connection opens in either direction, and is answered in the other. */
export function stagesOf(journey: Journey): readonly Stage[] {
  return passagesOf(journey).flat();
}

/**
 * The stages of each packet. A packet between containers that leaves comes before the tunnel's, and one
 * that arrives behind it: encapsulation within a namespace keeps the mark (skb_scrub_packet).
 */
export function passagesOf(journey: Journey): readonly (readonly Stage[])[] {
  return [
    ...arpPassages(journey),
    ...innerPassages(journey, 'sent'),
    ...tunnelPassages(journey),
    ...innerPassages(journey, 'received'),
  ];
}

function innerPassages(journey: Journey, direction: Stage['direction']): readonly (readonly Stage[])[] {
  const { family } = journey;
  const protocols: readonly Protocol[] = ['tcp', family === 4 ? 'icmp' : 'icmpv6'];
  return protocols.flatMap((protocol) =>
    (['new', 'established'] as const).map((state) => forwarded(journey, direction, { protocol, state })),
  );
}

/** What a port of a bridge passes: to the bridge's own address, and from there. */
const BRIDGE_HOOKS = {
  sent: ['ingress', 'bridge-prerouting', 'bridge-input'],
  received: ['bridge-output', 'bridge-postrouting', 'egress'],
} as const;

/** A container finds its gateway by a request, and the host the container. */
function arpPassages({ family, local, remote, bridge, port }: Journey): readonly (readonly Stage[])[] {
  if (family === 6 || bridge === undefined || port === undefined) return [];
  return (['sent', 'received'] as const).map((direction) => {
    const isSent = direction === 'sent';
    const packet: Packet = {
      family,
      protocol: 'arp',
      // A gateway has an address of its own, which few rules are about.
      source: isSent ? local : remote,
      target: isSent ? remote : local,
      state: isSent ? 'new' : 'established',
      isToHost: false,
      mark: 0,
    };
    const at = (hook: Hook, name: string): Stage => ({
      hook,
      direction,
      layer: 'arp',
      packet: { ...packet, ...deviceOf(isSent ? 'iif' : 'oif', { name }) },
    });
    const onPort = BRIDGE_HOOKS[direction].map((hook) => at(hook, port));
    return isSent ? [...onPort, at('arp-input', bridge)] : [at('arp-output', bridge), ...onPort];
  });
}

function forwarded(
  { family, local, remote, bridge, port, device }: Journey,
  direction: Stage['direction'],
  kind: Pick<Packet, 'protocol' | 'state'>,
): readonly Stage[] {
  const isSent = direction === 'sent';
  const [inside, outside] = [bridge === undefined ? {} : { name: bridge }, { name: device }];
  const [from, to] = isSent ? [inside, outside] : [outside, inside];
  const [iif, oif] = [deviceOf('iif', from), deviceOf('oif', to)];
  const packet: Packet = {
    ...kind,
    family,
    source: isSent ? local : remote,
    target: isSent ? remote : local,
    ...(kind.protocol === 'tcp' && { sourcePort: SOURCE_PORT, targetPort: TARGET_PORT }),
    isToHost: false,
    mark: 0,
  };
  const at = (hook: Hook, more: Partial<Packet>): Stage => ({
    hook,
    direction,
    layer: 'inner',
    packet: { ...packet, ...more },
  });
  const onPort =
    port === undefined
      ? []
      : BRIDGE_HOOKS[direction].map((hook) => at(hook, deviceOf(isSent ? 'iif' : 'oif', { name: port })));
  return [
    ...(isSent ? onPort : []),
    at('ingress', iif),
    at('prerouting', iif),
    at('forward', { ...iif, ...oif }),
    at('postrouting', oif),
    at('egress', oif),
    ...(isSent ? [] : onPort),
  ];
}

function deviceOf(key: 'iif' | 'oif', { name }: { readonly name?: string }): Partial<Packet> {
  return name === undefined ? {} : { [key]: name };
}

function tunnelPassages({ tunnels, outer }: Journey): readonly (readonly Stage[])[] {
  return outer === undefined ? [] : tunnels.flatMap((tunnel) => passagesOfTunnel(tunnel, outer));
}

function passagesOfTunnel(
  tunnel: Tunnel,
  outer: NonNullable<Journey['outer']>,
): readonly (readonly Stage[])[] {
  const { protocol, port, isSymmetric } = tunnel;
  const packet: Omit<Packet, 'source' | 'target' | 'isToHost'> = {
    family: outer.local.includes(':') ? 6 : 4,
    protocol,
    ...(port !== undefined && { sourcePort: isSymmetric ? port : SOURCE_PORT, targetPort: port }),
    state: isSymmetric ? 'established' : 'new',
    mark: 0,
  };
  const sent = { ...packet, source: outer.local, target: outer.remote, isToHost: false, oif: outer.device };
  const received = {
    ...packet,
    source: outer.remote,
    target: outer.local,
    isToHost: true,
    iif: outer.device,
  };
  const at = (hook: Hook, direction: Stage['direction']): Stage => ({
    hook,
    direction,
    layer: 'tunnel',
    tunnel,
    packet: direction === 'sent' ? sent : received,
  });
  return [
    [at('output', 'sent'), at('postrouting', 'sent'), at('egress', 'sent')],
    [at('ingress', 'received'), at('prerouting', 'received'), at('input', 'received')],
  ];
}
