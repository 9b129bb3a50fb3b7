// Kernel objects as the words that iproute2 would print, one line each, for golden tests and for operators.
import { familyOf } from '../allocator/address.ts';
import type { KernelObject, VxlanLink } from './kernel-state.ts';

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
      return `${object.destination} via ${object.gateway} dev ${object.dev}${object.isOnLink ? ' onlink' : ''}`;
    case 'sysctl':
      return `${object.path} = ${object.value}`;
  }
}

/** All lines, sorted. */
export function renderObjects(objects: Iterable<KernelObject>): readonly string[] {
  return Array.from(objects, renderObject).sort();
}

function renderLink(link: VxlanLink): string {
  const flags = [link.learning ? 'learning' : 'nolearning', ...(link.gbp ? ['gbp'] : [])].join(' ');
  return (
    `${link.name} mtu ${link.mtu} address ${link.mac} ` +
    `vxlan id ${link.vni} local ${link.local} dev ${link.parent} dstport ${link.port} ${flags}`
  );
}
