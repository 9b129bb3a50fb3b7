// Steps from the cached to the desired state that may be taken now. Pure: it reads a view and keeps
// nothing.
import type { KernelObject, ObjectKey } from '../../backends/kernel-state.ts';
import type { Step } from '../kernel/kernel.ts';
import { HOST } from './desired-state.ts';
import { diff, diffInSlices, isHostKind, isInSync, isSameTunnel, type DiffOptions } from './diff.ts';
import { deviceOf } from './object-device.ts';
import type { KnownView } from './view.ts';

export interface PlanOptions {
  /** Links that the kernel does not change in place. */
  readonly replaceLinks: ReadonlySet<ObjectKey>;
  /** Keys to compare; default all. */
  readonly keys?: Iterable<ObjectKey>;
  /** Keys of a slice. */
  readonly size: number;
}

/** Steps for `keys`, or for everything, in the order in which they are to be taken. */
export function plan(view: KnownView, options: Omit<PlanOptions, 'size'>): Step[] {
  return diff(view.desired.objects, view.cached.objects, diffOptions(view, options));
}

/** The same in slices, while the view may change: see {@link diffInSlices}. */
export function planInSlices(view: KnownView, options: PlanOptions): Promise<Step[]> {
  const { desired, cached } = view;
  return diffInSlices(desired.objects, cached.objects, options.size, diffOptions(view, options));
}

function diffOptions(view: KnownView, { replaceLinks, keys }: Omit<PlanOptions, 'size'>): DiffOptions {
  const { desired, cached } = view;
  const canRemoveRules = isFirewallInPlace(view);
  const isRemovable = ({ kind }: KernelObject): boolean =>
    desired.isComplete && (kind !== 'firewall' || canRemoveRules);
  return {
    foreignLinks: cached.foreignLinks,
    replaceLinks,
    isDeferred: (object, key) =>
      (!desired.objects.has(key) && (!isRemovable(object) || isReplacementMissing(view, object))) ||
      mustWait(view, object, key),
    ...(keys && { keys }),
  };
}

/**
 * The steps to apply before the next plan. Links go first and alone, with the addresses and
 * settings that follow them: nothing can be put on a device that failed, and only a read finds what
 * a link step did to the objects on the device.
 */
export function firstBatch(steps: readonly Step[]): readonly Step[] {
  const firstEntry = steps.findIndex(({ object }) => !isHostKind(object));
  const head = firstEntry < 0 ? steps : steps.slice(0, firstEntry);
  return head.some(({ object }) => object.kind === 'link') ? head : steps;
}

/** Whether the kernel holds objects that are to be removed, be it after a wait. Sysctls have no absence. */
export function hasOrphans({ desired, cached }: Pick<KnownView, 'desired' | 'cached'>): boolean {
  for (const [key, { kind }] of cached.objects)
    if (kind !== 'sysctl' && !desired.objects.has(key)) return true;
  return false;
}

/** Unwanted firewall rules whose removal waited for `batch`, which sets their replacement. */
export function obsoleteRules({ desired, cached }: KnownView, batch: readonly Step[]): readonly ObjectKey[] {
  if (!batch.some(({ action, object }) => action === 'set' && object.kind === 'firewall')) return [];
  const isObsolete = ([key, { kind }]: readonly [ObjectKey, KernelObject]): boolean =>
    kind === 'firewall' && !desired.objects.has(key);
  return [...cached.objects].filter(isObsolete).map(([key]) => key);
}

/** Unwanted routes and commands whose removal waited for `batch`, which sets what replaces them. */
export function obsoleteLeads({ desired, cached }: KnownView, batch: readonly Step[]): readonly ObjectKey[] {
  const keys = batch.flatMap(({ action, object }) => (action === 'set' ? replacedBy(object) : []));
  return keys.filter((key) => cached.objects.has(key) && !desired.objects.has(key));
}

/** Keys of the other kinds of objects that lead to the same subnet as `object`. */
function replacedBy(object: KernelObject): readonly ObjectKey[] {
  if (object.kind === 'command') return [`route ${object.subject}`];
  return object.kind === 'route' ? [`command ${object.destination}`] : [];
}

/**
 * Whether what is to lead to the subnet instead of the unwanted `object` is not in place. A route
 * replaces a route in one step; a command may fail, and take time.
 */
function isReplacementMissing({ desired, cached }: KnownView, object: KernelObject): boolean {
  return replacedBy(object).some((key) => {
    const want = desired.objects.get(key);
    return want !== undefined && !isInSync(want, cached.objects.get(key));
  });
}

/** Whether the device `name` is wanted and not usable yet, and its next try is not due. */
export function isDeviceDeferred(
  { desired, cached, gate, nowMs }: KnownView,
  name: string | undefined,
): boolean {
  const key = `link ${name}` as const;
  const want = desired.objects.get(key);
  if (want?.kind !== 'link') return false;
  const have = cached.objects.get(key);
  // A device that differs in what can be changed in place carries traffic as it is.
  if (have?.kind === 'link' && isSameTunnel(want, have)) return false;
  return gate.isCoolingDown(key) || gate.isWaiting(HOST, key, nowMs);
}

/** Whether `object`, or the device it is on, is not to be tried yet. */
function mustWait(view: KnownView, object: KernelObject, key: ObjectKey): boolean {
  const { desired, gate, nowMs } = view;
  if (gate.isCoolingDown(key) || gate.isWaiting(desired.ownerOf(key), key, nowMs)) return true;
  return object.kind !== 'link' && isDeviceDeferred(view, deviceOf(object));
}

/** Unwanted rules stay until their replacement is in place: at no moment is there no rule. */
function isFirewallInPlace({ desired, cached }: KnownView): boolean {
  for (const [key, want] of desired.objectsOf(HOST))
    if (want.kind === 'firewall' && !isInSync(want, cached.objects.get(key))) return false;
  return true;
}
