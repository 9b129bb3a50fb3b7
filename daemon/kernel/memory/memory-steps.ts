// Steps on the model's tables, with the results of the netlink kernel's requests.
import { BLACKHOLE_METRIC } from '../../../backends/kernel-state.ts';
import type { LinkMessage } from '../netlink/link.ts';
import type {
  FeatureObject,
  FouLink,
  IpipLink,
  LinkObject,
  RouteObject,
  TunLink,
  VxlanLink,
  WireguardLink,
} from '../../../backends/kernel-state.ts';
import { describeDrift } from '../actual-state.ts';
import { ROUTE_PROTOCOL, type Step } from '../kernel.ts';
import type { MemoryCommands } from './memory-commands.ts';
import { isExternal, type MemoryExternal } from './memory-external.ts';
import type { MemoryFirewall } from './memory-firewall.ts';
import { reject } from './memory-outcome.ts';
import type { MemoryTables } from './memory-tables.ts';
import { hasPort } from '../fou-ports.ts';
import { toVxlanLink, TUN_QUEUE_LENGTH, VXLAN_QUEUE_LENGTH } from '../message-objects.ts';
import type { EndpointMemory } from '../wireguard/wireguard-objects.ts';
import { RTN_BLACKHOLE, WIREGUARD_KIND } from '../netlink/constants.ts';
import { cannotChange, DONE, takenName, type Outcome } from '../netlink/outcome.ts';
import { NOT_FOUND, gatewayOf, type TableObject } from '../netlink-steps.ts';
import { formerName } from '../netlink-apply.ts';
import { isInUse, rejectInUse } from '../path-objects.ts';
import type { PathTable } from '../path-table.ts';

/** The state that steps change. */
export interface MemoryState {
  readonly tables: MemoryTables;
  readonly firewall: MemoryFirewall;
  readonly commands: MemoryCommands;
  readonly external: MemoryExternal;
  readonly sysctls: Map<string, string>;
  readonly featuresOff: Set<string>;
  readonly path: PathTable;
  readonly hasVxlan: boolean;
  readonly hasFou: boolean;
  readonly hasWireguard: boolean;
  readonly endpoints: EndpointMemory;
  readonly hasIpip: boolean;
}

/** Applies one step. */
export function performStep(state: MemoryState, step: Step): Outcome {
  const { tables, sysctls, path, hasVxlan } = state;
  const { action, object } = step;
  if (isExternal(object)) return state.external.apply(action, object);
  if (object.kind === 'command') return state.commands.apply(action, object);
  if (object.kind === 'firewall') return state.firewall.apply({ action, object });
  if (object.kind === 'sysctl') {
    if (step.action === 'set') sysctls.set(object.path, object.value);
    return DONE;
  }
  if (object.kind === 'feature') return setFeature(state, action, object);
  if (object.kind === 'tunnel') return path.applyPathRoute(step.action, object, tables.link(object.dev));
  if (object.kind === 'wireguard-peer') {
    const { wireguards } = tables;
    const outcome = action === 'set' ? wireguards.setPeer(object) : wireguards.removePeer(object);
    if (outcome.status === 'done') state.endpoints.record({ action, object });
    return outcome.status === 'rejected' && action === 'remove' ? DONE : outcome;
  }
  if (object.kind === 'link') {
    if (step.action === 'remove') return removeLink(tables, path, object);
    const from = formerName(step);
    const isRenamed = from !== undefined && from !== object.name;
    if (isRenamed) {
      const outcome = tables.renameLink(from, object.name);
      if (outcome.status === 'done' && object.type === 'tun') path.rename(from, object.name);
    }
    if (object.type === 'tun') return setTun(tables, path, object);
    if (object.type === 'fou')
      return state.hasFou ? setFou(tables, object) : reject('EOPNOTSUPP', 'this kernel has no FOU');
    if (object.type === 'wireguard') return setWireguard(state, object);
    if (object.type === 'ipip')
      return state.hasIpip ? setIpip(tables, object) : reject('EOPNOTSUPP', 'Unknown device type');
    if (!hasVxlan) return reject('EOPNOTSUPP', 'Unknown device type');
    return setVxlan(tables, object);
  }
  if (step.action === 'set') return setObject(tables, object);
  const outcome = removeObject(tables, object);
  return outcome.status === 'rejected' && NOT_FOUND.has(outcome.errno) ? DONE : outcome;
}

function setFeature(
  { tables, featuresOff }: MemoryState,
  action: Step['action'],
  object: FeatureObject,
): Outcome {
  const { dev, name, isOn } = object;
  if (tables.link(dev) === undefined) return action === 'remove' ? DONE : reject('ENODEV');
  if (action === 'remove' || isOn) featuresOff.delete(`${dev} ${name}`);
  else featuresOff.add(`${dev} ${name}`);
  return DONE;
}

function setObject(tables: MemoryTables, object: TableObject): Outcome {
  switch (object.kind) {
    case 'address':
      return tables.setAddress(object.dev, object.address);
    case 'neighbour':
      return tables.setNeighbour(object);
    case 'fdb':
      return tables.setFdb(object);
    case 'route':
      return setRoute(tables, object);
  }
}

function removeObject(tables: MemoryTables, object: TableObject): Outcome {
  switch (object.kind) {
    case 'address':
      return tables.removeAddress(object.dev, object.address);
    case 'neighbour':
      return tables.removeNeighbour(object);
    case 'fdb':
      return tables.removeFdb({ dev: object.dev, mac: object.mac });
    case 'route':
      return removeRoute(tables, object);
  }
}

function removeLink(tables: MemoryTables, path: PathTable, { name, ...link }: LinkObject): Outcome {
  const current = tables.link(name);
  const isOurs = current !== undefined && path.deviceOf(current) !== undefined;
  path.close(name);
  const fou = current?.ipTunnel ?? (current === undefined && link.type === 'fou' ? link : undefined);
  const outcome = current === undefined ? DONE : removeDevice(tables, current, isOurs);
  if (
    outcome.status === 'done' &&
    fou !== undefined &&
    !tables.hasIpTunnel({ local: fou.local!, port: fou.port })
  )
    tables.ports = tables.ports.filter(({ port, local }) => port !== fou.port || local !== fou.local);
  return outcome;
}

function removeDevice(tables: MemoryTables, current: LinkMessage, isOurs: boolean): Outcome {
  // The path may have removed its device.
  if (tables.link(current.name) === undefined) return DONE;
  return !isOurs && isInUse(current) ? rejectInUse(current.name) : tables.removeLink(current.name);
}

function setFou(tables: MemoryTables, { name, local, port, parent, mtu }: FouLink): Outcome {
  const parentIndex = parent === '' ? 0 : tables.link(parent)?.index;
  if (parentIndex === undefined) return reject('ENODEV', `no interface ${parent}`);
  const current = tables.link(name);
  const { ipTunnel } = current ?? {};
  if (
    current !== undefined &&
    (ipTunnel?.local !== local || ipTunnel.port !== port || ipTunnel.parentIndex !== parentIndex)
  )
    return cannotChange(name, 'its settings');
  // The kernel distinguishes devices without remote by address and parent (ip_tunnel_find).
  if (current === undefined && tables.hasIpTunnel({ local, parentIndex })) return reject('EEXIST');
  if (!hasPort(tables.ports, { port, local })) tables.ports = [...tables.ports, { port, local }];
  const change = { mtu, isUp: true, ipTunnel: { local, port, parentIndex, unsupported: [] } };
  if (current !== undefined) return tables.changeLink(name, change);
  return tables.addLink({ name, kind: local.includes(':') ? 'ip6tnl' : 'ipip', ...change });
}

function setIpip(tables: MemoryTables, { name, local, parent, mtu }: IpipLink): Outcome {
  const parentIndex = tables.link(parent)?.index;
  if (parentIndex === undefined) return reject('ENODEV', `no interface ${parent}`);
  const current = tables.link(name);
  if (current !== undefined && current.ipip === undefined) return cannotChange(name, 'its settings');
  if (current === undefined && tables.hasIpTunnel({ local, parentIndex })) return reject('EEXIST');
  const change = { mtu, isUp: true, txQueueLength: 0, ipip: { local, parentIndex, unsupported: [] } };
  return current === undefined
    ? tables.addLink({ name, kind: 'ipip', ...change })
    : tables.changeLink(name, change);
}

function setTun(tables: MemoryTables, path: PathTable, link: TunLink): Outcome {
  const opened = path.open(link, tables.link(link.name));
  if (opened.status !== 'done') return opened;
  const current = tables.link(link.name);
  if (current === undefined) return reject('ENODEV');
  path.attach(current);
  path.setMtu(link.name, link.mtu);
  return tables.changeLink(link.name, { mtu: link.mtu, txQueueLength: TUN_QUEUE_LENGTH, isUp: true });
}

function setVxlan(tables: MemoryTables, link: VxlanLink): Outcome {
  const parent = tables.link(link.parent);
  if (parent === undefined) return reject('ENODEV', `no interface ${link.parent}`);
  const current = tables.link(link.name);
  if (current !== undefined && current.vxlan === undefined) return takenName(link.name, current.kind);
  const { vni, port, local, learning, gbp, mac } = link;
  const vxlan = { vni, port, local, parentIndex: parent.index, learning, gbp, unsupported: [] };
  const change = { mac, isUp: true, txQueueLength: VXLAN_QUEUE_LENGTH, vxlan };
  const largestMtu = parent.mtu - (local.includes(':') ? 70 : 50);
  if (current?.vxlan !== undefined) {
    const isFixed = current.vxlan.vni !== vni || current.vxlan.port !== port || current.vxlan.gbp !== gbp;
    if (isFixed)
      return cannotChange(link.name, describeDrift(link, toVxlanLink(current, current.vxlan, link.parent)));
    return link.mtu > largestMtu
      ? reject('EINVAL')
      : tables.changeLink(link.name, { ...change, mtu: link.mtu });
  }
  // The kernel reduces the MTU of a new device to what the parent can carry, without an error.
  const mtu = Math.min(link.mtu, largestMtu);
  const made = tables.addLink({ name: link.name, kind: 'vxlan', ...change, mtu });
  return mtu === link.mtu ? made : reject('EINVAL', `MTU ${link.mtu} is above ${largestMtu}`);
}

function setWireguard({ tables, hasWireguard }: MemoryState, link: WireguardLink): Outcome {
  const current = tables.link(link.name);
  if (current === undefined && !hasWireguard) return reject('EOPNOTSUPP', 'Unknown device type');
  if (current !== undefined && tables.wireguards.read(link.name) === undefined)
    return takenName(link.name, current.kind);
  tables.wireguards.setDevice(link);
  const change = { mtu: link.mtu, isUp: true, txQueueLength: 0 };
  if (current !== undefined) return tables.changeLink(link.name, change);
  return tables.addLink({ name: link.name, kind: WIREGUARD_KIND, ...change });
}

function setRoute(tables: MemoryTables, route: RouteObject): Outcome {
  const { destination, dev, isOnLink } = route;
  const gateway = gatewayOf(route);
  return tables.setRoute({
    destination,
    dev,
    isOnLink,
    protocol: ROUTE_PROTOCOL,
    ...(gateway && { gateway }),
    ...(route.isBlackhole && { type: RTN_BLACKHOLE, metric: BLACKHOLE_METRIC }),
  });
}

function removeRoute(tables: MemoryTables, route: RouteObject): Outcome {
  const { destination, dev } = route;
  const gateway = gatewayOf(route);
  return tables.removeRoute({
    destination,
    protocol: 'protocol' in route ? (route.protocol as number) : ROUTE_PROTOCOL,
    ...(route.isBlackhole && { metric: BLACKHOLE_METRIC }),
    ...('metric' in route && { metric: route.metric as number }),
    ...(dev !== '' && { dev }),
    ...(gateway && { gateway }),
  });
}
