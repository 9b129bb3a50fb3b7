// Looks after the key that this host holds: whether it is still there and ours, fits config and peers, and says what is to
// be published. Does one thing at a time; what it finds lost is got again elsewhere.
import type { Random } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Tombstones } from './tombstones.ts';
import type { RegistryAuditor } from './registry-auditor.ts';
import type { HeldKey, KeyWriter } from './key-writer.ts';
import type { LeaseAcquirer } from './lease-acquirer.ts';
import { chooseMove, judgeOwnKey } from './lease-decision.ts';
import type { LossReason } from './lease-events.ts';
import type { LeaseState } from './lease-state.ts';
import type { PeerIndex } from './peer-index.ts';
import { sameAttributes } from '../registry/lease-value.ts';
import type { Lease, LeaseSubnets } from '../lease.ts';
import { OverwriteBackoff } from './overwrite-backoff.ts';
import type { PublishGeneration } from './publish-generation.ts';
import type { RegistryLease } from '../registry/registry-lease.ts';
import type { RegistryCache } from '../registry/registry-cache.ts';
import { NO_LEASE } from '../registry/registry.ts';
import type { RegistryEntry } from '../registry/registry.ts';

/** Overwrites in a row that make a fight. */
const CONTEST_COUNT = 3;

export interface LeaseCareOptions {
  readonly claim: LeaseAcquirer;
  readonly hold: LeaseState;
  readonly cache: Pick<RegistryCache, 'entries' | 'leases' | 'revision'>;
  readonly view: PeerIndex;
  readonly reporter: RegistryAuditor;
  readonly writer: KeyWriter;
  readonly lease: RegistryLease;
  readonly disowned: Tombstones;
  readonly publication: PublishGeneration;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly random: Random;
}

export class LeaseMaintainer {
  readonly #options: LeaseCareOptions;
  readonly #overwrites: OverwriteBackoff;

  constructor(options: LeaseCareOptions) {
    this.#options = options;
    this.#overwrites = new OverwriteBackoff(options.random);
  }

  /** When the answer to somebody who overwrote the key is due. */
  get answerDueMs(): number {
    return this.#overwrites.dueMs;
  }

  /** Does the next thing for the key; returns whether to look again at once. */
  async tend(own: HeldKey): Promise<boolean> {
    const { claim, cache, publication } = this.#options;
    // Until the cache has seen our last write, what it shows of the key is older than what we know.
    const isSeen = cache.revision >= own.modRevision;
    const answer = isSeen ? await this.#judge(own) : 'intact';
    if (answer !== 'intact') return answer;
    if (await this.#moveOrLeave(own)) return true;
    if (publication.isDue) return this.#publish(own);
    const leaked = this.#findLeak(own);
    if (leaked !== undefined) {
      await claim.remove(leaked);
      return true;
    }
    // What the cache does not show yet may be a key that our last write removed.
    if (cache.revision >= own.modRevision) this.#lookAtSelf(own);
    return false;
  }

  /** Answers what somebody did to the key; returns whether to look again at once. */
  async #judge(own: HeldKey): Promise<'intact' | boolean> {
    const { claim, hold, cache } = this.#options;
    const entry = cache.entries.get(own.key);
    const lease = cache.leases.get(own.key);
    const verdict = judgeOwnKey(own, entry, lease, hold.identities);
    if (entry === undefined) return this.#lose(own, 'deleted');
    if (verdict === 'theirs') return this.#lose(own, 'overwritten');
    if (verdict === 'altered') return this.#repair(own, entry, lease);
    if (verdict === 'relinked') await claim.adopt(entry, own.subnets);
    if (verdict === 'touched') hold.touch(own, entry.modRevision);
    return verdict === 'intact' ? 'intact' : true;
  }

  /** Sees to it that what is held fits config and peers; returns whether that changed anything. */
  async #moveOrLeave(own: HeldKey): Promise<boolean> {
    const { claim, hold } = this.#options;
    const rivals = this.#earlierRivals(own);
    if (rivals.length > 0) this.#lookAtSelf(own);
    const choice = chooseMove(claim.choiceInput(), own, rivals);
    if (choice.do === 'move') await claim.move(own, choice.subnets);
    if (choice.do === 'leave') {
      claim.forgetPrevious();
      return this.#lose(own, rivals.length > 0 ? 'overlap' : 'incompatible');
    }
    // What is held works; the rest comes when a subnet is free.
    if (choice.do === 'wait' && hold.lastError === undefined) claim.tellExhausted();
    return choice.do === 'move';
  }

  async #publish(own: HeldKey): Promise<true> {
    const { hold, publication, writer } = this.#options;
    const attributes = publication.attributes(own.attributes);
    if (sameAttributes(attributes, own.attributes)) {
      publication.markWritten();
      return true;
    }
    const held = await writer.update({ ...own, attributes });
    if (held === undefined) return true;
    hold.tell({ level: 'info', code: 'lease-published', key: held.key });
    hold.hold(held);
    return true;
  }

  /** Writes our data again over somebody else's. A key that has no registry lease stays a reservation. */
  async #repair(own: HeldKey, entry: RegistryEntry, lease: Lease | undefined): Promise<boolean> {
    const { clock, hold, publication, writer } = this.#options;
    if (this.#overwrites.note(entry.modRevision, clock.nowMs())) this.#reportOverwrite(own, lease);
    if (clock.nowMs() < this.#overwrites.dueMs) return false;
    const attributes = publication.attributes(own.attributes);
    const isReserved = entry.leaseId === NO_LEASE || own.leaseId === NO_LEASE;
    const leaseId = isReserved ? NO_LEASE : await this.#options.lease.ensure();
    const { modRevision } = entry;
    const held = await writer.update({ ...own, attributes, leaseId, modRevision });
    if (held !== undefined) hold.hold(held);
    return true;
  }

  #reportOverwrite({ key }: HeldKey, lease: Lease | undefined): void {
    const { hold } = this.#options;
    const { count } = this.#overwrites;
    const by = lease === undefined ? {} : { by: lease.attributes };
    hold.tell({ level: 'warn', code: 'key-overwritten', key, count, ...by });
    if (count !== CONTEST_COUNT || lease === undefined) return;
    const { identity } = hold.identities.current;
    hold.tell({ level: 'error', code: 'public-ip-contested', key, identity, count });
  }

  #lose(own: HeldKey, reason: LossReason): true {
    this.#options.hold.lose(own, reason);
    return true;
  }

  #lookAtSelf(own: HeldKey): void {
    const { hold, reporter } = this.#options;
    reporter.lookAtSelf(own.key, hold.identities.current.identity);
  }

  /** A second key on our own registry lease: a create that was done after its answer was given up. */
  #findLeak(own: HeldKey): RegistryEntry | undefined {
    const { disowned, cache, view } = this.#options;
    for (const key of view.duplicates.keys()) {
      const entry = cache.entries.get(key);
      if (entry === undefined || entry.leaseId === NO_LEASE || entry.leaseId !== own.leaseId) continue;
      if (!disowned.has(entry)) return entry;
    }
    return undefined;
  }

  /** Subnets of peers that had addresses of ours before we made our key: one key guards one pair of subnets only. */
  #earlierRivals({ createdAt }: HeldKey): readonly LeaseSubnets[] {
    const { cache, view } = this.#options;
    if (createdAt === undefined) return [];
    const earlier = [...view.overlapping].filter(
      (key) => (cache.entries.get(key)?.modRevision ?? Infinity) < createdAt,
    );
    return earlier.map((key) => cache.leases.get(key)?.subnets ?? {});
  }
}
