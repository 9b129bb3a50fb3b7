// Kernel objects in iproute2's notation, one line each, for golden tests and for operators.
import { NO_MAC, UNSPECIFIED, familyOf } from '../lib/address.ts';
import { BLACKHOLE_METRIC, objectKey } from './kernel-state.ts';
import type {
  KernelObject,
  LinkObject,
  PathRouteObject,
  PolicyObject,
  RouteObject,
  TunLink,
  WireguardPeerObject,
} from './kernel-state.ts';

/** One line for one object, for example `10.5.2.0/24 via 10.5.2.0 dev flannel.1 onlink`. */
export function renderObject(object: KernelObject): string {
  switch (object.kind) {
    case 'link':
      return renderLink(object);
    case 'address':
      return `${familyOf(object.address) === 4 ? 'inet' : 'inet6'} ${object.address} dev ${object.dev}`;
    case 'neighbour':
      return `${object.address} lladdr ${object.mac} dev ${object.dev}`;
    case 'fdb':
      return `${object.mac} dst ${object.destination} dev ${object.dev}`;
    case 'route':
      return renderRoute(object);
    case 'tunnel':
      return renderTunnel(object);
    case 'wireguard-peer':
      return renderWireguardPeer(object);
    case 'sysctl':
      return `${object.path} = ${object.value}`;
    case 'feature':
      return `${object.dev} ${object.name} ${object.isOn ? 'on' : 'off'}`;
    case 'policy':
      return renderPolicy(object);
    case 'charon':
      return `charon at ${object.socket}`;
    case 'ike':
      return `ike ${object.name} ${object.espProposal}${object.isUdpEncap ? ' encap' : ''}`;
    case 'cloud-route':
      return `${object.destination} via ${object.gateway} in the cloud's route table`;
    case 'command':
      return `command ${object.subject}: ${object.addCommand}`;
    case 'firewall':
      return `${objectKey(object)}: ${object.rules
        .trim()
        .split(/\s*\n\s*/)
        .join(' | ')}`;
  }
}

/** All lines, sorted. */
export function renderObjects(objects: Iterable<KernelObject>): readonly string[] {
  return Array.from(objects, renderObject).sort();
}

function renderPolicy(policy: PolicyObject): string {
  const { direction, source, destination, tunnelSource, tunnelDestination, isOptional } = policy;
  const level = isOptional ? ' level use' : '';
  return `src ${source} dst ${destination} dir ${direction} tmpl src ${tunnelSource} dst ${tunnelDestination} proto esp mode tunnel${level}`;
}

function renderLink(link: LinkObject): string {
  if (link.type === 'tun') return renderTun(link);
  if (link.type === 'wireguard')
    return `${link.name} mtu ${link.mtu} wireguard public-key ${link.publicKey} listen-port ${link.listenPort}`;
  if (link.type === 'ipip') return `${link.name} mtu ${link.mtu} ipip local ${link.local} dev ${link.parent}`;
  if (link.type === 'fou')
    return `${link.name} mtu ${link.mtu} ip-in-udp local ${link.local}${link.parent === '' ? '' : ` dev ${link.parent}`} port ${link.port}`;
  const flags = [link.learning ? 'learning' : 'nolearning', ...(link.gbp ? ['gbp'] : [])].join(' ');
  return (
    `${link.name} mtu ${link.mtu} address ${link.mac} ` +
    `vxlan id ${link.vni} local ${link.local} dev ${link.parent} dstport ${link.port} ${flags}`
  );
}

function renderTun({ name, mtu, encapsulation, local, port, vni, mac }: TunLink): string {
  return encapsulation === 'udp'
    ? `${name} mtu ${mtu} tun udp local ${local} port ${port}`
    : `${name} mtu ${mtu} address ${mac} tun vxlan id ${vni} local ${local} port ${port}`;
}

function renderWireguardPeer(peer: WireguardPeerObject): string {
  const { allowedIps, dev, endpoint, keepaliveSec, pskId, publicKey } = peer;
  const psk = pskId === '' ? '' : ` psk ${pskId}`;
  const keepalive = keepaliveSec === 0 ? '' : ` keepalive ${keepaliveSec}`;
  return `${publicKey} endpoint ${endpoint} allowed-ips ${allowedIps}${psk}${keepalive} dev ${dev}`;
}

function renderRoute({ destination, gateway, dev, isOnLink, isBlackhole }: RouteObject): string {
  if (isBlackhole) return `blackhole ${destination} metric ${BLACKHOLE_METRIC}`;
  const via = gateway === UNSPECIFIED[familyOf(gateway)] ? '' : ` via ${gateway}`;
  return `${destination}${via} dev ${dev}${isOnLink ? ' onlink' : ''}`;
}

/** iproute2 has no notation for it: the packet path belongs to this process. */
function renderTunnel({ destination, remote, port, mac, dev }: PathRouteObject): string {
  const endpoint = familyOf(remote) === 4 ? `${remote}:${port}` : `[${remote}]:${port}`;
  const lladdr = mac === NO_MAC ? '' : ` lladdr ${mac}`;
  return `${destination} remote ${endpoint}${lladdr} dev ${dev}`;
}
