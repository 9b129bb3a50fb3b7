// Links: VXLAN devices of the kernel and TUN devices of the packet path, made as desired, changed in place where that can
// be, removed. Each call asks the kernel what is there first, as a device may have changed hands since anybody looked.
import { setTimeout as sleep } from 'node:timers/promises';
import type { TunLink, VxlanLink } from '../../backends/kernel-state.ts';
import { describeDrift } from './actual.ts';
import {
  encodeLinkChange,
  encodeLinkDelete,
  encodeLinkDown,
  encodeLinkRename,
  encodeVxlanChange,
  encodeVxlanCreate,
  type LinkChange,
  type LinkMessage,
  type VxlanAttributes,
  type VxlanChange,
} from './netlink/link.ts';
import { DONE, KernelReadError, type Outcome, rejection } from './netlink/outcome.ts';
import type { Request, NetlinkClient } from './netlink/netlink-client.ts';
import { toTunLink, toVxlanLink, TUN_QUEUE_LENGTH, VXLAN_QUEUE_LENGTH } from './message-objects.ts';
import { readLink } from './netlink-reader.ts';
import { isInUse, type PathTable, rejectInUse } from './path-table.ts';

/**
 * Makes the VXLAN device `link` exist exactly as it says, of the device `from` if that is given. EOPNOTSUPP: only by
 * removing it first.
 */
export function ensureVxlan(client: NetlinkClient, link: VxlanLink, from = link.name): Promise<Outcome> {
  return asOutcome(async () => {
    if (from !== link.name) await rename(client, from, link.name);
    const parent = await readLink(client, { name: link.parent });
    if (parent === undefined)
      return rejection(
        'ENODEV',
        `no interface ${link.parent} for ${link.name} to send through: bring it back`,
      );
    const current = await readLink(client, { name: link.name });
    const plan = current ? planChange(link, current, parent.index) : planCreate(link, parent.index);
    if ('status' in plan) return plan;
    const failure = (await client.send(plan)).find(({ status }) => status !== 'done');
    return failure ?? verify(client, link, parent);
  });
}

/** Makes the device `link` of the packet path exist exactly as it says. EOPNOTSUPP: only by removing it first. */
export function ensureTun(client: NetlinkClient, path: PathTable, link: TunLink): Promise<Outcome> {
  return asOutcome(async () => {
    const opened = path.open(link, await readLink(client, { name: link.name }));
    if (opened.status !== 'done') return opened;
    const current = await readLink(client, { name: link.name });
    if (current === undefined) return rejection('ENODEV', `${link.name} vanished as soon as it was made`);
    path.attach(current);
    const { index } = current;
    path.setMtu(link.name, link.mtu);
    const change: LinkChange = { txQueueLength: TUN_QUEUE_LENGTH, mtu: link.mtu };
    const [outcome] = await client.send([(writer) => encodeLinkChange(writer, index, change)]);
    return outcome?.status === 'done' ? verifyTun(client, path, link) : outcome!;
  });
}

/** Best effort: the device is changed, or made, under its new name in any case. */
async function rename(client: NetlinkClient, from: string, to: string): Promise<void> {
  const current = await readLink(client, { name: from });
  if (current === undefined) return;
  const change: Request = (writer) => encodeLinkRename(writer, current.index, to);
  const [outcome] = await client.send([change]);
  // Before Linux 6.2 a device must be down for that, and loses its routes and neighbours.
  if (outcome?.status === 'rejected' && outcome.errno === 'EBUSY')
    await client.send([(writer) => encodeLinkDown(writer, current.index), change]);
}

async function verifyTun(client: NetlinkClient, path: PathTable, link: TunLink): Promise<Outcome> {
  const made = await readLink(client, { name: link.name });
  const device = made && path.deviceOf(made);
  if (made === undefined || device === undefined)
    return rejection('ENODEV', `${link.name} vanished as soon as it was made`);
  const drift = describeDrift(link, toTunLink(made, device));
  return drift === '' ? DONE : rejection('EINVAL', `the kernel made ${link.name} otherwise: ${drift}`);
}

/**
 * Removes the device of this name, of whatever kind: the name is ours. Hardware cannot be removed, and a TUN device that
 * another process serves is not.
 */
export function removeLink(client: NetlinkClient, path: PathTable, name: string): Promise<Outcome> {
  return asOutcome(async () => {
    const current = await readLink(client, { name });
    const isOurs = current !== undefined && path.deviceOf(current) !== undefined;
    path.close(name);
    if (current === undefined) return DONE;
    if (!isOurs && !(await becomesFree(client, current))) return rejectInUse(name);
    const [outcome] = await client.send([(writer) => encodeLinkDelete(writer, current.index)]);
    return outcome?.status === 'rejected' && outcome.errno === 'ENODEV' ? DONE : outcome!;
  });
}

/** A process that is ending takes its TUN devices along a little later. */
const FREE_WITHIN_MS = 1000;
const LOOK_EVERY_MS = 20;

async function becomesFree(client: NetlinkClient, link: LinkMessage): Promise<boolean> {
  let current: LinkMessage | undefined = link;
  for (let waitedMs = 0; current !== undefined && isInUse(current); waitedMs += LOOK_EVERY_MS) {
    if (waitedMs >= FREE_WITHIN_MS) return false;
    await sleep(LOOK_EVERY_MS);
    current = await readLink(client, { index: link.index });
  }
  return true;
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
    return rejection(
      'EEXIST',
      `${link.name} exists and is no VXLAN device but ${current.kind || 'hardware'}: rename it`,
    );
  const fixed = describeFixed(link, vxlan);
  if (fixed !== '') return rejection('EOPNOTSUPP', `${link.name} cannot be changed in place: ${fixed}`);
  const { index } = current;
  const tunnel: VxlanChange = {
    ...(vxlan.local !== link.local && { local: link.local }),
    ...(vxlan.parentIndex !== parentIndex && { parentIndex }),
    ...(vxlan.learning !== link.learning && { learning: link.learning }),
  };
  const change: LinkChange = {
    txQueueLength: VXLAN_QUEUE_LENGTH,
    ...(current.mtu !== link.mtu && { mtu: link.mtu }),
    ...(current.mac !== link.mac && { mac: link.mac }),
  };
  const plan: Request[] = [(writer) => encodeLinkChange(writer, index, change)];
  if (Object.keys(tunnel).length > 0) plan.unshift((writer) => encodeVxlanChange(writer, index, tunnel));
  return plan;
}

/** What a VXLAN device keeps for life (vxlan_nl2conf in the kernel). */
function describeFixed(link: VxlanLink, vxlan: VxlanAttributes): string {
  const fixed = [...vxlan.unsupported];
  if (vxlan.vni !== link.vni) fixed.push(`VNI ${vxlan.vni} instead of ${link.vni}`);
  if (vxlan.port !== link.port) fixed.push(`port ${vxlan.port} instead of ${link.port}`);
  if (vxlan.gbp !== link.gbp) fixed.push(`gbp ${vxlan.gbp} instead of ${link.gbp}`);
  return fixed.join(', ');
}

/** The kernel cuts an MTU that is too large for the parent, and udev may rewrite a MAC address, both without an error. */
async function verify(client: NetlinkClient, link: VxlanLink, parent: LinkMessage): Promise<Outcome> {
  const made = await readLink(client, { name: link.name });
  if (made?.vxlan === undefined) return rejection('ENODEV', `${link.name} vanished as soon as it was made`);
  const parentName = made.vxlan.parentIndex === parent.index ? parent.name : '';
  const drift = describeDrift(link, toVxlanLink(made, made.vxlan, parentName));
  if (drift === '') return DONE;
  return rejection(
    'EINVAL',
    `the kernel made ${link.name} otherwise: ${drift}; MTU of ${parent.name}: ${parent.mtu}`,
  );
}

async function asOutcome(run: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof KernelReadError)) throw error;
    return error.errno === 'ETIMEDOUT'
      ? { status: 'unknown', message: error.message }
      : { status: 'rejected', errno: error.errno, message: error.message };
  }
}
