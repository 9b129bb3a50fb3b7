// The steps from the actual to the desired state, as data. Pure. Order: links, IPv6 on them,
// addresses, sysctls, features, firewall rules, FDB entries, neighbours, WireGuard peers, tunnels and
// routes are set, commands run; then unwanted
// objects are removed in reverse order. So a route is set after all that it needs, and removed
// before it. The FDB entry precedes the neighbour because a peer's new MAC address must be known
// before packets carry it.
import { eachInSlices } from '../../lib/slices.ts';
import { isSetting, objectKey } from '../../backends/kernel-state.ts';
import type { KernelObject, KernelObjectKind, LinkObject, ObjectKey } from '../../backends/kernel-state.ts';
import { sameObject } from '../kernel/actual-state.ts';
import type { ActualObject } from '../kernel/actual-state.ts';
import type { ForeignLink, Step } from '../kernel/kernel.ts';
import { deviceOf } from './object-device.ts';

/** Types of device that another name costs nothing. */
const CAN_RENAME: ReadonlySet<LinkObject['type']> = new Set(['vxlan', 'tun']);

export type Objects = ReadonlyMap<ObjectKey, KernelObject>;

export interface DiffOptions {
  /** Keys to compare; default all of both sides. */
  readonly keys?: Iterable<ObjectKey>;
  /** Foreign links with names of desired ones, by name. */
  readonly foreignLinks?: ReadonlyMap<string, ForeignLink>;
  /** Links that the kernel does not change in place. */
  readonly replaceLinks?: ReadonlySet<ObjectKey>;
  /** Objects that must stay as they are for now. */
  readonly isDeferred?: (object: KernelObject, key: ObjectKey) => boolean;
}

type Stage = KernelObjectKind | 'enable-ipv6';

const SET_ORDER: readonly Stage[] = [
  'link',
  'enable-ipv6',
  'address',
  'sysctl',
  'feature',
  'firewall',
  'fdb',
  'neighbour',
  'wireguard-peer',
  'tunnel',
  'charon',
  'policy',
  'ike',
  'route',
  'command',
  'cloud-route',
];

/** Steps that make `actual` equal to `desired`; empty if it is. */
export function diff(desired: Objects, actual: Objects, options: DiffOptions = {}): Step[] {
  const { keys, plan, planKey } = begin(desired, actual, options);
  for (const key of keys) planKey(key);
  return plan.steps();
}

/**
 * The same of everything, in slices of `size` keys. Where links are to be set, the steps end with what follows these on the host:
 * nothing can be put on a device that is missing, and only another reading finds what is on one that changed. `desired` and
 * `actual` may change meanwhile: the step of a key is that of the moment when its turn came, so the caller drops those of keys
 * that changed since the call.
 */
export async function diffInSlices(
  desired: Objects,
  actual: Objects,
  size: number,
  options: DiffOptions = {},
): Promise<Step[]> {
  const { keys, plan, planKey } = begin(desired, actual, options);
  if (options.keys === undefined && plan.setsLinks) {
    for (const key of keys) if (isHostKind((desired.get(key) ?? actual.get(key))!)) planKey(key);
    return plan.sets();
  }
  await eachInSlices(keys, size, planKey);
  return plan.steps();
}

/** Whether `object` is a device, or follows its device at once. */
export function isHostKind(object: KernelObject): boolean {
  return object.kind === 'link' || object.kind === 'address' || isSetting(object);
}

/** Whether `object` is in a table of the kernel, which notifies of each of these changes, and of no other. */
export function isEntry({ kind }: KernelObject): boolean {
  return kind === 'route' || kind === 'neighbour' || kind === 'fdb';
}

/** Plans links, and prepares the rest. */
function begin(desired: Objects, actual: Objects, options: DiffOptions) {
  const plan = new Plan();
  const given = options.keys && new Set(options.keys);
  const links = given === undefined ? allLinkKeys(desired, actual) : linkKeys(given);
  const renames = findRenames(links, desired, actual, options);
  const removedDevices = new Set<string>(renames.values());
  for (const [key, from] of renames) planRename(plan, { key, from, desired, actual, removedDevices });
  const left = withoutLinks(actual, renames);
  for (const key of links)
    if (!renames.has(key)) planLink(plan, { key, desired, actual: left, options, removedDevices });
  if (given !== undefined && removedDevices.size > 0)
    for (const [key, object] of desired) if (removedDevices.has(deviceOf(object) ?? '')) given.add(key);
  const planKey = (key: ObjectKey): void =>
    planObject(plan, { key, desired, actual, options, removedDevices });
  return { keys: given ?? allKeys(desired, actual), plan, planKey };
}

/** Keys of both sides, each once, without a set of tens of thousands. */
function* allKeys(desired: Objects, actual: Objects): Iterable<ObjectKey> {
  yield* desired.keys();
  for (const key of actual.keys()) if (!desired.has(key)) yield key;
}

/** Of both sides. */
function allLinkKeys(...sides: readonly Objects[]): ReadonlySet<ObjectKey> {
  const links = new Set<ObjectKey>();
  for (const objects of sides)
    for (const object of objects.values()) if (object.kind === 'link') links.add(objectKey(object));
  return links;
}

function linkKeys(keys: Iterable<ObjectKey>): ReadonlySet<ObjectKey> {
  const links = new Set<ObjectKey>();
  for (const key of keys) if (key.startsWith('link ')) links.add(key);
  return links;
}

/** Whether `actual`, read or acknowledged, is as desired. */
export function isInSync(desired: KernelObject, actual: KernelObject | undefined): boolean {
  // Of most entries the cache holds the desired object itself.
  return actual === desired || (actual !== undefined && sameObject(desired, actual as ActualObject));
}

/** The kernel rejects IPv6 addresses with EACCES on a device that has IPv6 off. */
function stageOf(object: KernelObject): Stage {
  return object.kind === 'sysctl' && object.path.endsWith('/disable_ipv6') ? 'enable-ipv6' : object.kind;
}

/** Collects steps by kind; keeps the order of addition within a kind. */
class Plan {
  readonly #sets = new Map<Stage, Step[]>(SET_ORDER.map((kind) => [kind, []]));
  readonly #removes = new Map<Stage, Step[]>(SET_ORDER.map((kind) => [kind, []]));

  set(object: KernelObject, current?: KernelObject): void {
    const step: Step =
      current === undefined
        ? { action: 'set', object }
        : { action: 'set', object, current: current as ActualObject };
    this.#sets.get(stageOf(object))?.push(step);
  }

  /** Removes what `object` replaces. */
  removeConflict(object: KernelObject): void {
    this.#sets.get(stageOf(object))?.push({ action: 'remove', object });
  }

  remove(object: KernelObject): void {
    this.#removes.get(stageOf(object))?.push({ action: 'remove', object });
  }

  get setsLinks(): boolean {
    return this.#sets.get('link')!.length > 0;
  }

  sets(): Step[] {
    return SET_ORDER.flatMap((kind) => this.#sets.get(kind) ?? []);
  }

  steps(): Step[] {
    const sets = this.sets();
    const removes = SET_ORDER.toReversed().flatMap((kind) => this.#removes.get(kind) ?? []);
    return [...sets, ...removes];
  }
}

/**
 * Devices that are wanted under another name, as key of the new name to old name: a renamed device
 * keeps everything on it. In the order in which the names become free.
 */
function findRenames(
  keys: ReadonlySet<ObjectKey>,
  desired: Objects,
  actual: Objects,
  { isDeferred, foreignLinks, replaceLinks }: DiffOptions,
): ReadonlyMap<ObjectKey, string> {
  const renames = new Map<ObjectKey, string>();
  const isTaken = (key: ObjectKey, name: string): boolean =>
    (actual.has(key) && ![...renames.values()].includes(name)) || foreignLinks?.has(name) === true;
  const wanted: (readonly [ObjectKey, LinkObject])[] = [];
  for (const key of keys) {
    const want = desired.get(key);
    if (want?.kind === 'link' && CAN_RENAME.has(want.type)) wanted.push([key, want]);
  }
  for (let size = -1; size < renames.size;) {
    size = renames.size;
    for (const [key, want] of wanted) {
      if (
        renames.has(key) ||
        isTaken(key, want.name) ||
        replaceLinks?.has(key) === true ||
        isDeferred?.(want, key) === true
      )
        continue;
      const from = findRenamed(want, desired, actual);
      if (from !== undefined && ![...renames.values()].includes(from)) renames.set(key, from);
    }
  }
  return renames;
}

/** Name of a device equal to `want` that is not wanted under its present name. */
function findRenamed(want: LinkObject, desired: Objects, actual: Objects): string | undefined {
  for (const [key, have] of actual) {
    if (have.kind !== 'link' || !isSameTunnel(want, have)) continue;
    const other = desired.get(key);
    if (other?.kind !== 'link' || !isSameTunnel(other, have)) return have.name;
  }
  return undefined;
}

interface DiffContext {
  readonly key: ObjectKey;
  readonly desired: Objects;
  readonly actual: Objects;
  readonly options: DiffOptions;
  /** Names of devices that these steps remove or re-create, and with them everything on them. */
  readonly removedDevices: Set<string>;
}

function withoutLinks(actual: Objects, renames: ReadonlyMap<ObjectKey, string>): Objects {
  if (renames.size === 0) return actual;
  const left = new Map(actual);
  for (const name of renames.values()) left.delete(`link ${name}`);
  return left;
}

function planRename(
  plan: Plan,
  { key, from, desired, actual, removedDevices }: Omit<DiffContext, 'options'> & { readonly from: string },
): void {
  const want = desired.get(key);
  if (want?.kind !== 'link') return;
  plan.set(want, actual.get(`link ${from}`));
  removedDevices.add(want.name);
}

function planLink(plan: Plan, { key, desired, actual, options, removedDevices }: DiffContext): void {
  const want = desired.get(key);
  const have = actual.get(key);
  const link = want ?? have;
  if (link?.kind !== 'link' || options.isDeferred?.(link, key) === true) return;
  if (want?.kind !== 'link') {
    plan.remove(link);
    removedDevices.add(link.name);
  } else if (have?.kind !== 'link' || isReplaced(want, have, options)) {
    const hasConflict = have !== undefined || options.foreignLinks?.has(want.name) === true;
    if (hasConflict) plan.removeConflict(have ?? want);
    plan.set(want);
    removedDevices.add(want.name);
  } else if (!isInSync(want, have)) plan.set(want, have);
}

function isReplaced(want: LinkObject, have: LinkObject, { replaceLinks }: DiffOptions): boolean {
  return !isSameTunnel(want, have) || (replaceLinks?.has(objectKey(want)) === true && !isInSync(want, have));
}

/**
 * Whether `have` can become `want` in place. The kernel fixes the compared attributes when it
 * creates a VXLAN device (vxlan_changelink rejects changes), the packet path when it opens a TUN
 * device.
 */
export function isSameTunnel(want: LinkObject, have: LinkObject): boolean {
  if (want.type === 'tun')
    return have.type === 'tun' && PATH_FIELDS.every((name) => want[name] === have[name]);
  if (want.type === 'ipip') return have.type === 'ipip';
  if (want.type === 'fou')
    return have.type === 'fou' && FOU_FIELDS.every((name) => want[name] === have[name]);
  // Key and port change in place; peers follow the one by the registry, the other by packets.
  if (want.type === 'wireguard') return have.type === 'wireguard';
  return (
    have.type === 'vxlan' &&
    want.vni === have.vni &&
    want.port === have.port &&
    want.gbp === have.gbp &&
    want.local.includes(':') === have.local.includes(':')
  );
}

const FOU_FIELDS = ['local', 'port', 'parent'] as const;
const PATH_FIELDS = ['encapsulation', 'local', 'port', 'vni', 'mac'] as const;

function planObject(plan: Plan, { key, desired, actual, options, removedDevices }: DiffContext): void {
  const want = desired.get(key);
  const found = actual.get(key);
  if (want !== undefined && want === found && removedDevices.size === 0) return;
  const object = want ?? found;
  if (object === undefined || object.kind === 'link' || options.isDeferred?.(object, key) === true) return;
  const have = found !== undefined && removedDevices.has(deviceOf(found) ?? '') ? undefined : found;
  if (want !== undefined) {
    if (!isInSync(want, have)) plan.set(want, have);
  } else if (have !== undefined && have.kind !== 'sysctl') {
    // A sysctl cannot be absent: its earlier value is unknown, and it vanishes with its device.
    plan.remove(have);
  }
}
