// VXLAN devices: made as desired, changed in place where the kernel can, removed. Each call asks the kernel what is
// there first, as a device may have changed hands since anybody looked.
import type { VxlanLink } from '../../backends/kernel-state.ts';
import { describeDrift } from './actual.ts';
import {
  encodeLinkChange,
  encodeLinkDelete,
  encodeVxlanChange,
  encodeVxlanCreate,
  type LinkChange,
  type LinkMessage,
  type VxlanAttributes,
  type VxlanChange,
} from './netlink/link.ts';
import { DONE, KernelReadError, type Outcome } from './netlink/outcome.ts';
import type { Request, RequestEngine } from './netlink/request-engine.ts';
import { toLink } from './message-objects.ts';
import { readLink } from './netlink-reader.ts';

/** Makes `link` exist exactly as it says. EOPNOTSUPP: only by removing it first. */
export function ensureLink(engine: RequestEngine, link: VxlanLink): Promise<Outcome> {
  return asOutcome(async () => {
    const parent = await readLink(engine, { name: link.parent });
    if (parent === undefined)
      return refuse('ENODEV', `no interface ${link.parent} for ${link.name} to send through: bring it back`);
    const current = await readLink(engine, { name: link.name });
    const plan = current ? planChange(link, current, parent.index) : planCreate(link, parent.index);
    if ('status' in plan) return plan;
    const failure = (await engine.send(plan)).find(({ status }) => status !== 'done');
    return failure ?? verify(engine, link, parent);
  });
}

/** Removes the device of this name, of whatever kind: the name is ours. Hardware cannot be removed. */
export function removeLink(engine: RequestEngine, name: string): Promise<Outcome> {
  return asOutcome(async () => {
    const current = await readLink(engine, { name });
    if (current === undefined) return DONE;
    const [outcome] = await engine.send([(writer) => encodeLinkDelete(writer, current.index)]);
    return outcome?.status === 'refused' && outcome.errno === 'ENODEV' ? DONE : outcome!;
  });
}

function planCreate(link: VxlanLink, parentIndex: number): readonly Request[] {
  return [(writer) => encodeVxlanCreate(writer, { ...link, parentIndex })];
}

function planChange(
  link: VxlanLink,
  current: LinkMessage,
  parentIndex: number,
): readonly Request[] | Outcome {
  const { vxlan } = current;
  if (vxlan === undefined)
    return refuse(
      'EEXIST',
      `${link.name} exists and is no VXLAN device but ${current.kind || 'hardware'}: rename it`,
    );
  const fixed = describeFixed(link, vxlan);
  if (fixed !== '') return refuse('EOPNOTSUPP', `${link.name} cannot be changed in place: ${fixed}`);
  const { index } = current;
  const tunnel: VxlanChange = {
    ...(vxlan.local !== link.local && { local: link.local }),
    ...(vxlan.parentIndex !== parentIndex && { parentIndex }),
    ...(vxlan.learning !== link.learning && { learning: link.learning }),
  };
  const change: LinkChange = {
    ...(current.mtu !== link.mtu && { mtu: link.mtu }),
    ...(current.mac !== link.mac && { mac: link.mac }),
  };
  const plan: Request[] = [(writer) => encodeLinkChange(writer, index, change)];
  if (Object.keys(tunnel).length > 0) plan.unshift((writer) => encodeVxlanChange(writer, index, tunnel));
  return plan;
}

/** What a VXLAN device keeps for life (vxlan_nl2conf in the kernel). */
function describeFixed(link: VxlanLink, vxlan: VxlanAttributes): string {
  const fixed = [...vxlan.oddities];
  if (vxlan.vni !== link.vni) fixed.push(`VNI ${vxlan.vni} instead of ${link.vni}`);
  if (vxlan.port !== link.port) fixed.push(`port ${vxlan.port} instead of ${link.port}`);
  if (vxlan.gbp !== link.gbp) fixed.push(`gbp ${vxlan.gbp} instead of ${link.gbp}`);
  return fixed.join(', ');
}

/** The kernel cuts an MTU that is too large for the parent, and udev may rewrite a MAC address, both without an error. */
async function verify(engine: RequestEngine, link: VxlanLink, parent: LinkMessage): Promise<Outcome> {
  const made = await readLink(engine, { name: link.name });
  if (made?.vxlan === undefined) return refuse('ENODEV', `${link.name} vanished as soon as it was made`);
  const parentName = made.vxlan.parentIndex === parent.index ? parent.name : '';
  const drift = describeDrift(link, toLink(made, made.vxlan, parentName));
  if (drift === '') return DONE;
  return refuse(
    'EINVAL',
    `the kernel made ${link.name} otherwise: ${drift}; MTU of ${parent.name}: ${parent.mtu}`,
  );
}

function refuse(errno: string, message: string): Outcome {
  return { status: 'refused', errno, message: `${errno}: ${message}` };
}

async function asOutcome(run: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof KernelReadError)) throw error;
    return error.errno === 'ETIMEDOUT'
      ? { status: 'unknown', message: error.message }
      : { status: 'refused', errno: error.errno, message: error.message };
  }
}
