// Steps on the model's tables: what the netlink kernel does with requests, with the same results.
import type { KernelObject, RouteObject, VxlanLink } from '../../backends/kernel-state.ts';
import { describeDrift } from './actual.ts';
import { ROUTE_PROTOCOL, type Step } from './kernel.ts';
import { type MemoryTables, refuse } from './memory-tables.ts';
import { toLink } from './message-objects.ts';
import { DONE, type Outcome } from './netlink/outcome.ts';
import { ABSENCE } from './netlink-steps.ts';

export function performStep(tables: MemoryTables, sysctls: Map<string, string>, step: Step): Outcome {
  const { object } = step;
  if (object.kind === 'sysctl') {
    if (step.action === 'set') sysctls.set(object.path, object.value);
    return DONE;
  }
  if (step.action === 'set') return setObject(tables, object);
  const outcome = removeObject(tables, object);
  return outcome.status === 'refused' && ABSENCE.has(outcome.errno) ? DONE : outcome;
}

type NetworkObject = Exclude<KernelObject, { kind: 'sysctl' }>;

function setObject(tables: MemoryTables, object: NetworkObject): Outcome {
  switch (object.kind) {
    case 'link':
      return setLink(tables, object);
    case 'address':
      return tables.setAddress(object.dev, object.address);
    case 'neighbour':
      return tables.setNeighbour(object);
    case 'fdb':
      return tables.setFdb(object);
    case 'route':
      return tables.setRoute({ ...object, protocol: ROUTE_PROTOCOL });
  }
}

function removeObject(tables: MemoryTables, object: NetworkObject): Outcome {
  switch (object.kind) {
    case 'link':
      return tables.link(object.name) ? tables.removeLink(object.name) : DONE;
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

function setLink(tables: MemoryTables, link: VxlanLink): Outcome {
  const parent = tables.link(link.parent);
  if (parent === undefined) return refuse('ENODEV', `no interface ${link.parent}`);
  const current = tables.link(link.name);
  if (current !== undefined && current.vxlan === undefined) return refuse('EEXIST');
  const { vni, port, local, learning, gbp, mac } = link;
  const vxlan = { vni, port, local, parentIndex: parent.index, learning, gbp, oddities: [] };
  const change = { mac, isUp: true, txQueueLength: 0, vxlan };
  const largestMtu = parent.mtu - (local.includes(':') ? 70 : 50);
  if (current?.vxlan !== undefined) {
    const isFixed = current.vxlan.vni !== vni || current.vxlan.port !== port || current.vxlan.gbp !== gbp;
    if (isFixed)
      return refuse('EOPNOTSUPP', describeDrift(link, toLink(current, current.vxlan, link.parent)));
    return link.mtu > largestMtu
      ? refuse('EINVAL')
      : tables.changeLink(link.name, { ...change, mtu: link.mtu });
  }
  // The MTU of a new device is cut to what the parent can carry, without an error.
  const mtu = Math.min(link.mtu, largestMtu);
  const made = tables.addLink({ name: link.name, kind: 'vxlan', ...change, mtu });
  return mtu === link.mtu ? made : refuse('EINVAL', `MTU ${link.mtu} is above ${largestMtu}`);
}

function removeRoute(tables: MemoryTables, route: RouteObject): Outcome {
  const { destination, dev, gateway } = route;
  const hasGateway = gateway !== '0.0.0.0' && gateway !== '::';
  return tables.removeRoute({
    destination,
    protocol: 'protocol' in route ? (route.protocol as number) : ROUTE_PROTOCOL,
    ...('metric' in route && { metric: route.metric as number }),
    ...(dev !== '' && { dev }),
    ...(hasGateway && { gateway }),
  });
}
