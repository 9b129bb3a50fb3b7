// Links: VXLAN devices of the kernel and TUN devices of the packet path. Creates them, changes them
// in place where the kernel can, removes them. Each call reads the link first: another process may
// have changed it since the last read.
import { setTimeout as sleep } from 'node:timers/promises';
import type { LinkObject, TunLink, VxlanLink } from '../../backends/kernel-state.ts';
import { describeDrift } from './actual-state.ts';
import {
  encodeLinkChange,
  encodeLinkDelete,
  encodeLinkDump,
  decodeLink,
  type LinkChange,
  type LinkMessage,
} from './netlink/link.ts';
import {
  cannotChange,
  DONE,
  takenName,
  KernelReadError,
  type Outcome,
  rejection,
} from './netlink/outcome.ts';
import type { Request, NetlinkClient } from './netlink/netlink-client.ts';
import {
  encodeVxlanChange,
  encodeVxlanCreate,
  type VxlanAttributes,
  type VxlanChange,
} from './netlink/vxlan.ts';
import { toTunLink, toVxlanLink, TUN_QUEUE_LENGTH, VXLAN_QUEUE_LENGTH } from './message-objects.ts';
import type { FouPorts } from './fou-ports.ts';
import type { FouPort } from './netlink/fou.ts';
import { readLink } from './netlink-reader.ts';
import { renameLink } from './netlink-rename.ts';
import { isInUse, rejectInUse } from './path-objects.ts';
import type { PathTable } from './path-table.ts';

/**
 * Creates the VXLAN device `link`, or changes it in place; renames it from `from` if that is given.
 * EOPNOTSUPP: it must be removed first. Never rejects.
 */
export function ensureVxlan(client: NetlinkClient, link: VxlanLink, from = link.name): Promise<Outcome> {
  return asOutcome(async () => {
    if (from !== link.name) await renameLink(client, from, link.name);
    const parent = await readLink(client, { name: link.parent });
    if (parent === undefined)
      return rejection('ENODEV', `no interface ${link.parent} as the parent of ${link.name}: restore it`);
    const current = await readLink(client, { name: link.name });
    const plan = current ? planChange(link, current, parent.index) : planCreate(link, parent.index);
    if ('status' in plan) return plan;
    const failure = (await client.send(plan)).find(({ status }) => status !== 'done');
    if (failure === undefined) return verify(client, link, parent);
    if (current !== undefined) return withOtherDevice(failure);
    const made = failure.status === 'rejected' && (await readLink(client, { name: link.name }));
    return made ? takenName(link.name, 'made by another program at this moment') : failure;
  });
}

/**
 * Creates the device `link` of the packet path, or changes it in place; renames it from `from` if
 * that is given. EOPNOTSUPP: it must be removed first. Never rejects.
 */
export function ensureTun(
  client: NetlinkClient,
  path: PathTable,
  link: TunLink,
  from = link.name,
): Promise<Outcome> {
  return asOutcome(async () => {
    if (from !== link.name) await renameTun(client, path, from, link.name);
    const opened = path.open(link, await readLink(client, { name: link.name }));
    if (opened.status !== 'done') return opened;
    const current = await readLink(client, { name: link.name });
    if (current === undefined) return rejection('ENODEV', `${link.name} vanished right after its creation`);
    path.attach(current);
    const { index } = current;
    path.setMtu(link.name, link.mtu);
    const change: LinkChange = { txQueueLength: TUN_QUEUE_LENGTH, mtu: link.mtu };
    const [outcome] = await client.send([(writer) => encodeLinkChange(writer, index, change)]);
    return outcome?.status === 'done' ? verifyTun(client, path, link) : outcome!;
  });
}

/** A device that keeps its name is closed: the one of the new name has its port. */
async function renameTun(client: NetlinkClient, path: PathTable, from: string, to: string): Promise<void> {
  const current = await readLink(client, { name: from });
  if (current === undefined || path.deviceOf(current) === undefined) return;
  await renameLink(client, from, to);
  const renamed = await readLink(client, { index: current.index });
  if (renamed?.name === to) path.rename(from, to);
  else path.close(from);
}

async function verifyTun(client: NetlinkClient, path: PathTable, link: TunLink): Promise<Outcome> {
  const made = await readLink(client, { name: link.name });
  const device = made && path.deviceOf(made);
  if (made === undefined || device === undefined)
    return rejection('ENODEV', `${link.name} vanished right after its creation`);
  const drift = describeDrift(link, toTunLink(made, device));
  return drift === '' ? DONE : rejection('EINVAL', `the kernel set ${link.name} differently: ${drift}`);
}

/**
 * Removes the device of this name, of any kind, with its port of FOU: the name is ours. The kernel rejects hardware;
 * EBUSY for a TUN device that another process serves. Never rejects.
 */
export function removeLink(
  { client, path, fouPorts, wireguard }: LinkTarget,
  link: LinkObject,
): Promise<Outcome> {
  const { name } = link;
  return asOutcome(async () => {
    const current = await readLink(client, { name });
    const isOurs =
      current !== undefined && (path.deviceOf(current) !== undefined || wireguard.isServed(current));
    path.close(name);
    if (current === undefined) return link.type === 'fou' ? removePort({ client, fouPorts }, link) : DONE;
    if (!isOurs && !(await isReleased(client, current))) return rejectInUse(name);
    const [outcome] = await client.send([(writer) => encodeLinkDelete(writer, current.index)]);
    if (outcome?.status !== 'done' && !(outcome?.status === 'rejected' && outcome.errno === 'ENODEV'))
      return outcome!;
    const { ipTunnel } = current;
    return ipTunnel?.local === undefined || ipTunnel.port === 0
      ? DONE
      : removePort({ client, fouPorts }, { port: ipTunnel.port, local: ipTunnel.local });
  });
}

/** Removes the port of a device that is gone, unless another device has the same. */
async function removePort(
  { client, fouPorts }: Pick<LinkTarget, 'client' | 'fouPorts'>,
  { port, local }: FouPort,
): Promise<Outcome> {
  const links = await client.dump('links', encodeLinkDump, decodeLink);
  const isShared = links.some(({ ipTunnel }) => ipTunnel?.port === port && ipTunnel.local === local);
  return isShared ? DONE : fouPorts.remove({ port, local });
}

/** Where links are removed. */
export interface LinkTarget {
  readonly client: NetlinkClient;
  readonly path: PathTable;
  readonly fouPorts: Pick<FouPorts, 'remove'>;
  /** Knows which TUN devices a program of WireGuard serves, which ends with its device. */
  readonly wireguard: { isServed(link: LinkMessage): boolean };
}

/** A process that ends releases its TUN devices a moment later. */
const RELEASE_TIMEOUT_MS = 1000;
const RELEASE_POLL_MS = 20;

/** Waits until no process has the device open. */
async function isReleased(client: NetlinkClient, link: LinkMessage): Promise<boolean> {
  let current: LinkMessage | undefined = link;
  for (let waitedMs = 0; current !== undefined && isInUse(current); waitedMs += RELEASE_POLL_MS) {
    if (waitedMs >= RELEASE_TIMEOUT_MS) return false;
    await sleep(RELEASE_POLL_MS);
    current = await readLink(client, { index: link.index });
  }
  return true;
}

/** Of a device that exists: the kernel did not change it. */
function withOtherDevice(outcome: Outcome): Outcome {
  const isFixed = outcome.status === 'rejected' && outcome.errno === 'EOPNOTSUPP';
  return isFixed ? { ...outcome, hasOtherDevice: true } : outcome;
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
  if (vxlan === undefined) return takenName(link.name, `${current.kind || 'hardware'}, not a VXLAN device`);
  const fixed = describeFixed(link, vxlan);
  if (fixed !== '') return cannotChange(link.name, fixed);
  return changeRequests(link, current, vxlan, parentIndex);
}

/** Sends the settings that differ. The device is set up in any case. */
function changeRequests(
  link: VxlanLink,
  current: LinkMessage,
  vxlan: VxlanAttributes,
  parentIndex: number,
): readonly Request[] {
  const { index } = current;
  const vxlanChange: VxlanChange = {
    ...(vxlan.local !== link.local && { local: link.local }),
    ...(vxlan.parentIndex !== parentIndex && { parentIndex }),
    ...(vxlan.learning !== link.learning && { learning: link.learning }),
  };
  const change: LinkChange = {
    txQueueLength: VXLAN_QUEUE_LENGTH,
    ...(current.mtu !== link.mtu && { mtu: link.mtu }),
    ...(current.mac !== link.mac && { mac: link.mac }),
  };
  const requests: Request[] = [(writer) => encodeLinkChange(writer, index, change)];
  if (Object.keys(vxlanChange).length > 0)
    requests.unshift((writer) => encodeVxlanChange(writer, index, vxlanChange));
  return requests;
}

/** Differences in settings that the kernel never changes on a VXLAN device (vxlan_nl2conf). */
function describeFixed(link: VxlanLink, vxlan: VxlanAttributes): string {
  const fixed = [...vxlan.unsupported];
  if (vxlan.vni !== link.vni) fixed.push(`VNI ${vxlan.vni} instead of ${link.vni}`);
  if (vxlan.port !== link.port) fixed.push(`port ${vxlan.port} instead of ${link.port}`);
  if (vxlan.gbp !== link.gbp) fixed.push(`gbp ${vxlan.gbp} instead of ${link.gbp}`);
  return fixed.join(', ');
}

/**
 * The kernel reduces an MTU that is too large for the parent, and udev may rewrite a MAC address,
 * both without an error.
 */
async function verify(client: NetlinkClient, link: VxlanLink, parent: LinkMessage): Promise<Outcome> {
  const made = await readLink(client, { name: link.name });
  if (made?.vxlan === undefined) return rejection('ENODEV', `${link.name} vanished right after its creation`);
  const parentName = made.vxlan.parentIndex === parent.index ? parent.name : '';
  const drift = describeDrift(link, toVxlanLink(made, made.vxlan, parentName));
  if (drift === '') return DONE;
  return rejection(
    'EINVAL',
    `the kernel set ${link.name} differently: ${drift}; MTU of ${parent.name}: ${parent.mtu}`,
  );
}

/** `run`, with a failed read of the kernel as its outcome. */
export async function asOutcome(run: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof KernelReadError)) throw error;
    return error.errno === 'ETIMEDOUT'
      ? { status: 'unknown', message: error.message }
      : { status: 'rejected', errno: error.errno, message: error.message };
  }
}
