// Steps of a plan that are still to be taken, batch by batch. What changes between two batches is compared again by its key,
// and the steps of that key are out of date. Pure: it does no work and holds no timer.
//
// Entries of thousands of peers are taken peer by peer: the first peers are reached at once, and routes, which take the kernel
// long, are spread among what takes the daemon long. A peer's own keep their order, and all that is no entry stays where it is.
import { objectKey } from '../../../backends/kernel-state.ts';
import type { ObjectKey } from '../../../backends/kernel-state.ts';
import type { Step } from '../../kernel/kernel.ts';
import type { Owner } from '../desired-state.ts';
import { isEntry } from '../diff.ts';

type OwnerOf = (key: ObjectKey) => Owner | undefined;

/** Steps in order, of which `taken` were taken. */
interface List {
  readonly steps: readonly Step[];
  taken: number;
  /** Owner of the next step, once it was asked for. */
  owner?: Owner | undefined;
  /** Owners of steps in earlier lists, once they were asked for. */
  earlierOwners?: ReadonlySet<Owner | undefined>;
}

/** Steps that follow one another, either of entries or not. */
interface Section {
  readonly areEntries: boolean;
  readonly areRemovals: boolean;
  /** Of entries that are set, one of each kind; else one of all. */
  readonly lists: readonly List[];
  /** How many others were added before it. */
  readonly number: number;
}

export class PlannedSteps {
  /** Owners, and orphans by key, with a step that failed: one failure a plan. */
  readonly failed = new Set<string>();
  readonly #ownerOf: OwnerOf;
  /** Those with steps that are left. */
  readonly #sections: Section[] = [];
  #count = 0;
  /** Keys whose steps in sections before that number are not taken. */
  readonly #superseded = new Map<ObjectKey, number>();
  readonly #size: number;

  /** @param size - most steps of a batch, but for what is left of the last one's peer; so many are one batch as they are. */
  constructor(steps: readonly Step[], size: number, ownerOf: OwnerOf) {
    this.#size = size;
    this.#ownerOf = ownerOf;
    if (steps.length > size) this.append(steps);
    else if (steps.length > 0) this.#add({ areEntries: false, areRemovals: false }, [steps]);
  }

  get isEmpty(): boolean {
    return this.#sections.length === 0;
  }

  /** Whether the next batch is of entries alone. */
  get areEntries(): boolean {
    return this.#sections[0]?.areEntries === true;
  }

  /** Whether the next batch removes what no set before it needs. */
  get areRemovals(): boolean {
    return this.#sections[0]?.areRemovals === true;
  }

  /** These keys were compared again: their steps are not taken, and a failure of the next ones counts. */
  supersede(keys: Iterable<ObjectKey>): void {
    for (const key of keys) {
      this.#superseded.set(key, this.#count);
      this.failed.delete(this.#ownerOf(key) ?? key);
    }
  }

  #isSuperseded(key: ObjectKey, { number }: Section): boolean {
    return number < (this.#superseded.get(key) ?? 0);
  }

  /**
   * Adds steps, to be taken after all others, but before removals: what they set may replace what these remove. Keys of theirs are
   * to be superseded before.
   */
  append(steps: readonly Step[]): void {
    let at = this.#sections.findIndex(({ areRemovals }) => areRemovals);
    for (let from = 0, to = 0; from < steps.length; from = to) {
      const { action, object } = steps[from]!;
      while (to < steps.length && isSameSection(steps[from]!, steps[to]!)) to++;
      const own = steps.slice(from, to);
      const kind = { areEntries: isEntry(object), areRemovals: action === 'remove' };
      if (kind.areRemovals) at = -1;
      this.#add(kind, action === 'set' && kind.areEntries ? byKind(own) : [own], at);
      if (at >= 0) at++;
    }
  }

  /** @param at - place among the sections; -1: behind all. */
  #add(
    kind: Pick<Section, 'areEntries' | 'areRemovals'>,
    lists: readonly (readonly Step[])[],
    at = -1,
  ): void {
    const section = { ...kind, number: this.#count++, lists: lists.map((steps) => ({ steps, taken: 0 })) };
    this.#sections.splice(at < 0 ? this.#sections.length : at, 0, section);
  }

  /**
   * Takes the next batch, without steps that are out of date.
   * @param isDirty - whether a key is to be compared again.
   */
  take(isDirty: (key: ObjectKey) => boolean): readonly Step[] {
    const [section] = this.#sections;
    if (section === undefined) return [];
    const batch: Step[] = [];
    const add = (step: Step): void => {
      const key = objectKey(step.object);
      if (!this.#isSuperseded(key, section) && !isDirty(key)) batch.push(step);
    };
    while (hasSteps(section) && batch.length < this.#size) this.#takeNext(section, add);
    if (!hasSteps(section)) this.#sections.shift();
    return batch;
  }

  /** The next step, or with several kinds those of the next owner. */
  #takeNext({ lists }: Section, add: (step: Step) => void): void {
    const owner = lists.length > 1 ? this.#nextOwner(lists) : undefined;
    if (owner === undefined) return add(takeFrom(lists.find(isLeft)!));
    for (const list of lists) while (this.#ownerOfNext(list) === owner) add(takeFrom(list));
  }

  /** That of the first list's next step, or one that has nothing in earlier lists, which must not hold up the rest of its own. */
  #nextOwner(lists: readonly List[]): Owner | undefined {
    const owner = this.#ownerOfNext(lists.find(isLeft)!);
    for (const [index, list] of lists.entries()) {
      const other = this.#ownerOfNext(list);
      if (other !== undefined && other !== owner && !this.#earlierOwners(lists, index).has(other))
        return other;
    }
    return owner;
  }

  #earlierOwners(lists: readonly List[], index: number): ReadonlySet<Owner | undefined> {
    const list = lists[index]!;
    if (list.earlierOwners === undefined) {
      const earlier = lists.slice(0, index).flatMap(({ steps }) => steps);
      list.earlierOwners = new Set(earlier.map(({ object }) => this.#ownerOf(objectKey(object))));
    }
    return list.earlierOwners;
  }

  #ownerOfNext(list: List): Owner | undefined {
    const next = list.steps[list.taken];
    if (next === undefined) return undefined;
    return (list.owner ??= this.#ownerOf(objectKey(next.object)));
  }
}

function takeFrom(list: List): Step {
  list.owner = undefined;
  return list.steps[list.taken++]!;
}

function isLeft({ steps, taken }: List): boolean {
  return taken < steps.length;
}

function hasSteps({ lists }: Section): boolean {
  return lists.some(isLeft);
}

function isSameSection(a: Step, b: Step): boolean {
  return isEntry(a.object) ? isEntry(b.object) && a.action === b.action : !isEntry(b.object);
}

/** In the order in which the kinds come. */
function byKind(steps: readonly Step[]): readonly (readonly Step[])[] {
  const kinds = new Map<string, Step[]>();
  for (const step of steps) {
    const others = kinds.get(step.object.kind);
    if (others === undefined) kinds.set(step.object.kind, [step]);
    else others.push(step);
  }
  return [...kinds.values()];
}
