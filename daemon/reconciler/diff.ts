// The steps from what the kernel holds to what is desired, as data. Pure.
// Order: links, addresses, sysctls, features, firewall rules, FDB entries, neighbours, tunnels, routes are set; then what nobody wants is removed the other
// way round. So a route appears when all that it needs is there, and nothing is removed while something still leads to
// it. The FDB goes before the neighbour because a peer's new MAC address must be known before packets carry it.
import { objectKey } from '../../backends/kernel-state.ts';
import type {
  KernelObject,
  KernelObjectKind,
  LinkObject,
  ObjectKey,
  VxlanLink,
} from '../../backends/kernel-state.ts';
import { sameObject } from '../kernel/actual.ts';
import type { ActualObject } from '../kernel/actual.ts';
import type { ForeignLink, Step } from '../kernel/kernel.ts';
import { deviceOf } from './object-device.ts';

export type Objects = ReadonlyMap<ObjectKey, KernelObject>;

export interface DiffOptions {
  /** Keys to look at; default all of both sides. */
  readonly keys?: Iterable<ObjectKey>;
  /** Links that are in the way of desired ones, by name. */
  readonly foreignLinks?: ReadonlyMap<string, ForeignLink>;
  /** Links that the kernel refused to change in place. */
  readonly replaceLinks?: ReadonlySet<ObjectKey>;
  /** Objects that must be left as they are for now. */
  readonly isDeferred?: (object: KernelObject, key: ObjectKey) => boolean;
}

const SET_ORDER: readonly KernelObjectKind[] = [
  'link',
  'address',
  'sysctl',
  'feature',
  'firewall',
  'fdb',
  'neighbour',
  'tunnel',
  'route',
];

/** Steps that make `actual` equal to `desired`; empty if it is. */
export function diff(desired: Objects, actual: Objects, options: DiffOptions = {}): Step[] {
  const plan = new Plan();
  const keys = new Set(options.keys ?? [...desired.keys(), ...actual.keys()]);
  const renames = findRenames(keys, desired, actual, options);
  const gone = new Set<string>(renames.values());
  for (const [key, from] of renames) planRename(plan, { key, from, desired, actual, gone });
  for (const key of keys)
    if (!renames.has(key))
      planLink(plan, { key, desired, actual: withoutLinks(actual, renames), options, gone });
  if (gone.size > 0) for (const [key, object] of desired) if (gone.has(deviceOf(object) ?? '')) keys.add(key);
  for (const key of keys) planObject(plan, { key, desired, actual, options, gone });
  return plan.steps();
}

/** Whether `actual`, read or confirmed, is what is desired. */
export function isInSync(desired: KernelObject, actual: KernelObject | undefined): boolean {
  return actual !== undefined && sameObject(desired, actual as ActualObject);
}

/** Collects steps by kind; the order in which they are added within a kind is kept. */
class Plan {
  readonly #sets = new Map<KernelObjectKind, Step[]>(SET_ORDER.map((kind) => [kind, []]));
  readonly #removes = new Map<KernelObjectKind, Step[]>(SET_ORDER.map((kind) => [kind, []]));

  set(object: KernelObject, current?: KernelObject): void {
    const step: Step =
      current === undefined
        ? { action: 'set', object }
        : { action: 'set', object, current: current as ActualObject };
    this.#sets.get(object.kind)?.push(step);
  }

  /** Removes what `object` is about to take the place of. */
  removeConflict(object: KernelObject): void {
    this.#sets.get(object.kind)?.push({ action: 'remove', object });
  }

  remove(object: KernelObject): void {
    this.#removes.get(object.kind)?.push({ action: 'remove', object });
  }

  steps(): Step[] {
    const sets = SET_ORDER.flatMap((kind) => this.#sets.get(kind) ?? []);
    const removes = SET_ORDER.toReversed().flatMap((kind) => this.#removes.get(kind) ?? []);
    return [...sets, ...removes];
  }
}

/**
 * Devices that are wanted under another name than they have, by the key that they are to have: a device that changes its
 * name keeps all that is on it. In the order in which the names become free.
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
  const wanted: (readonly [ObjectKey, VxlanLink])[] = [];
  for (const key of keys) {
    const want = desired.get(key);
    if (want?.kind === 'link' && want.type === 'vxlan') wanted.push([key, want]);
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

/** Name of the device that is what `want` is to be, and that nobody wants under that name. */
function findRenamed(want: LinkObject, desired: Objects, actual: Objects): string | undefined {
  for (const [key, have] of actual) {
    if (have.kind !== 'link' || have.type !== 'vxlan' || !isSameTunnel(want, have)) continue;
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
  /** Names of devices that these steps remove or make anew, and with them all that was on them. */
  readonly gone: Set<string>;
}

function withoutLinks(actual: Objects, renames: ReadonlyMap<ObjectKey, string>): Objects {
  if (renames.size === 0) return actual;
  const left = new Map(actual);
  for (const name of renames.values()) left.delete(`link ${name}`);
  return left;
}

function planRename(
  plan: Plan,
  { key, from, desired, actual, gone }: Omit<DiffContext, 'options'> & { readonly from: string },
): void {
  const want = desired.get(key);
  if (want?.kind !== 'link') return;
  plan.set(want, actual.get(`link ${from}`));
  gone.add(want.name);
}

function planLink(plan: Plan, { key, desired, actual, options, gone }: DiffContext): void {
  const want = desired.get(key);
  const have = actual.get(key);
  const link = want ?? have;
  if (link?.kind !== 'link' || options.isDeferred?.(link, key) === true) return;
  if (want?.kind !== 'link') {
    plan.remove(link);
    gone.add(link.name);
  } else if (have?.kind !== 'link' || isReplaced(want, have, options)) {
    const hasConflict = have !== undefined || options.foreignLinks?.has(want.name) === true;
    if (hasConflict) plan.removeConflict(have ?? want);
    plan.set(want);
    gone.add(want.name);
  } else if (!isInSync(want, have)) plan.set(want, have);
}

function isReplaced(want: LinkObject, have: LinkObject, { replaceLinks }: DiffOptions): boolean {
  return !isSameTunnel(want, have) || (replaceLinks?.has(objectKey(want)) === true && !isInSync(want, have));
}

/**
 * Whether `have` can become `want` in place. The kernel fixes what is compared here when it makes a VXLAN device
 * (vxlan_changelink refuses the rest), the packet path when it opens one of its own.
 */
export function isSameTunnel(want: LinkObject, have: LinkObject): boolean {
  if (want.type === 'tun')
    return have.type === 'tun' && PATH_FIELDS.every((name) => want[name] === have[name]);
  return (
    have.type === 'vxlan' &&
    want.vni === have.vni &&
    want.port === have.port &&
    want.gbp === have.gbp &&
    want.local.includes(':') === have.local.includes(':')
  );
}

const PATH_FIELDS = ['encapsulation', 'local', 'port', 'vni', 'mac'] as const;

function planObject(plan: Plan, { key, desired, actual, options, gone }: DiffContext): void {
  const want = desired.get(key);
  const found = actual.get(key);
  const object = want ?? found;
  if (object === undefined || object.kind === 'link' || options.isDeferred?.(object, key) === true) return;
  const have = found !== undefined && gone.has(deviceOf(found) ?? '') ? undefined : found;
  if (want !== undefined) {
    if (!isInSync(want, have)) plan.set(want, have);
  } else if (have !== undefined && have.kind !== 'sysctl') {
    // A sysctl has no absence: its earlier value is not known, and it goes with its device.
    plan.remove(have);
  }
}
