// Desired kernel objects and their owners. Two owners may want the same object. If they want
// different objects under one key (two peers with one VTEP MAC), the host, then the first peer in
// key order wins and the other owner is blocked: with half of its objects its traffic would reach
// another host. Holds no kernel state and decides no step.
import { objectKey } from '../../backends/kernel-state.ts';
import type { KernelObject, ObjectKey } from '../../backends/kernel-state.ts';
import { deviceOf } from './object-device.ts';

/** `host`, or the lease key of a peer. */
export type Owner = string;

export const HOST: Owner = 'host';

export interface Conflict {
  readonly key: ObjectKey;
  /** The owner that has the key. */
  readonly winner: Owner;
}

export interface DesiredChange {
  /** Keys whose desired object changed or was dropped. */
  readonly keys: ReadonlySet<ObjectKey>;
  /** Other owners that are newly blocked or unblocked. */
  readonly owners: ReadonlySet<Owner>;
}

interface Claim {
  readonly owner: Owner;
  readonly object: KernelObject;
}

const NO_OBJECTS: ReadonlyMap<ObjectKey, KernelObject> = new Map();
const NO_OWNERS: ReadonlySet<Owner> = new Set();

export class DesiredState {
  readonly #byOwner = new Map<Owner, ReadonlyMap<ObjectKey, KernelObject>>();
  /** All claims of a key: the host's first, then in key order of the peers. */
  readonly #claims = new Map<ObjectKey, readonly Claim[]>();
  readonly #conflicts = new Map<Owner, Conflict>();
  readonly #effective = new Map<ObjectKey, KernelObject>();
  readonly #deviceUses = new Map<string, number>();
  #isComplete = false;

  /** Whether every owner has been set once, so that unwanted objects are orphans. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  markComplete(): void {
    this.#isComplete = true;
  }

  /** What the kernel should hold. */
  get objects(): ReadonlyMap<ObjectKey, KernelObject> {
    return this.#effective;
  }

  /** What `owner` wants, blocked or not. */
  objectsOf(owner: Owner): ReadonlyMap<ObjectKey, KernelObject> {
    return this.#byOwner.get(owner) ?? NO_OBJECTS;
  }

  /** The owner of the desired object under `key`. */
  ownerOf(key: ObjectKey): Owner | undefined {
    return this.#winningClaim(key)?.owner;
  }

  /** Every owner that wants an object under `key`. */
  claimantsOf(key: ObjectKey): readonly Owner[] {
    return (this.#claims.get(key) ?? []).map((claim) => claim.owner);
  }

  /** Why `owner` is blocked, if it is. */
  conflictOf(owner: Owner): Conflict | undefined {
    return this.#conflicts.get(owner);
  }

  /** Whether a desired object is, or is on, the device `name`. */
  usesDevice(name: string): boolean {
    return this.#deviceUses.has(name);
  }

  /** Replaces all objects of `owner`. Cost: the number of its old and new objects. */
  set(owner: Owner, objects: readonly KernelObject[]): DesiredChange {
    const before = this.objectsOf(owner);
    const wasActive = this.#isActive(owner);
    const after = new Map<ObjectKey, KernelObject>();
    for (const object of objects) after.set(objectKey(object), object);
    if (after.size > 0) this.#byOwner.set(owner, after);
    else this.#byOwner.delete(owner);
    const touched = new Set<ObjectKey>([...before.keys(), ...after.keys()]);
    for (const key of touched) this.#setClaim(key, owner, after.get(key));
    this.#decide(owner);
    // An owner that was and stays blocked concerns no other owner, however many share its keys.
    const rivals = wasActive || this.#isActive(owner) ? this.#rivalsOf(touched, owner) : NO_OWNERS;
    const owners = rivals.size === 0 ? NO_OWNERS : this.#decideAll(rivals, touched);
    const keys = new Set<ObjectKey>();
    for (const key of touched) if (this.#updateEffective(key)) keys.add(key);
    return { keys, owners };
  }

  #setClaim(key: ObjectKey, owner: Owner, object: KernelObject | undefined): void {
    const before = this.#claims.get(key);
    // A literal has room for its items alone, and nearly all keys have one claim.
    if (before === undefined && object !== undefined) return void this.#claims.set(key, [{ owner, object }]);
    const others = before?.filter((claim) => claim.owner !== owner) ?? [];
    const claims = object === undefined ? others : [...others, { owner, object }];
    claims.sort((a, b) => compareOwners(a.owner, b.owner));
    if (claims.length === 0) this.#claims.delete(key);
    else this.#claims.set(key, claims);
  }

  /**
   * Decides again for `rivals` and the owners that a decision affects. Whether an owner is blocked
   * depends on earlier owners only, so each is visited once, in order. Adds the keys of owners with
   * another decision to `touched`.
   */
  #decideAll(rivals: Iterable<Owner>, touched: Set<ObjectKey>): ReadonlySet<Owner> {
    const pending = new Set(rivals);
    const changed = new Set<Owner>();
    while (pending.size > 0)
      for (const owner of [...pending].sort(compareOwners)) {
        pending.delete(owner);
        const wasActive = this.#isActive(owner);
        if (this.#decide(owner)) changed.add(owner);
        if (wasActive === this.#isActive(owner)) continue;
        const size = pending.size;
        const keys = [...this.objectsOf(owner).keys()];
        for (const key of keys) touched.add(key);
        for (const rival of this.#rivalsOf(keys, owner)) pending.add(rival);
        // A new rival may come before the rest of this round.
        if (pending.size > size) break;
      }
    return changed;
  }

  /** Later owners than `owner` that want one of `keys`. */
  #rivalsOf(keys: Iterable<ObjectKey>, owner: Owner): ReadonlySet<Owner> {
    const rivals = new Set<Owner>();
    for (const key of keys)
      for (const claim of this.#claims.get(key) ?? [])
        if (compareOwners(claim.owner, owner) > 0) rivals.add(claim.owner);
    return rivals;
  }

  /** Whether `owner` wants objects and is not blocked. */
  #isActive(owner: Owner): boolean {
    return this.#byOwner.has(owner) && !this.#conflicts.has(owner);
  }

  /** Returns whether the owner's conflict changed. */
  #decide(owner: Owner): boolean {
    const before = this.#conflicts.get(owner);
    const now = this.#findConflict(owner);
    if (now === undefined) this.#conflicts.delete(owner);
    else this.#conflicts.set(owner, now);
    return before?.key !== now?.key || before?.winner !== now?.winner;
  }

  #findConflict(owner: Owner): Conflict | undefined {
    for (const [key, object] of this.objectsOf(owner))
      for (const claim of this.#claims.get(key) ?? []) {
        if (claim.owner === owner) break;
        if (!this.#conflicts.has(claim.owner) && !isEqual(claim.object, object))
          return { key, winner: claim.owner };
      }
    return undefined;
  }

  #winningClaim(key: ObjectKey): Claim | undefined {
    return this.#claims.get(key)?.find((claim) => !this.#conflicts.has(claim.owner));
  }

  #updateEffective(key: ObjectKey): boolean {
    const before = this.#effective.get(key);
    const now = this.#winningClaim(key)?.object;
    if (before === now || (before !== undefined && now !== undefined && isEqual(before, now))) return false;
    if (now === undefined) this.#effective.delete(key);
    else this.#effective.set(key, now);
    this.#countDevice(before, -1);
    this.#countDevice(now, 1);
    return true;
  }

  #countDevice(object: KernelObject | undefined, by: 1 | -1): void {
    const name = object === undefined ? undefined : deviceOf(object);
    if (name === undefined) return;
    const uses = (this.#deviceUses.get(name) ?? 0) + by;
    if (uses === 0) this.#deviceUses.delete(name);
    else this.#deviceUses.set(name, uses);
  }
}

function compareOwners(a: Owner, b: Owner): number {
  if (a === b) return 0;
  if (a === HOST) return -1;
  if (b === HOST) return 1;
  return a < b ? -1 : 1;
}

/** Equality of two desired objects under one key, which thus have the same kind and members. */
function isEqual(a: KernelObject, b: KernelObject): boolean {
  const [one, other] = [a, b] as unknown as readonly Readonly<Record<string, unknown>>[];
  return Object.keys(a).every((name) => one![name] === other![name]);
}
