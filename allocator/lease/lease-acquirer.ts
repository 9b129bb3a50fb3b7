// Gets this host a key: carries out what `lease-decision.ts` chooses, one write with compare at a time. It decides nothing,
// and never touches the key that is held but to put another in its place.
import type { NetworkConfig } from '../config/config.ts';
import type { Tombstones } from './tombstones.ts';
import type { HeldKey, KeyWriter } from './key-writer.ts';
import { chooseSubnet } from './lease-decision.ts';
import type { ChoiceInput } from './lease-decision.ts';
import type { LeaseState } from './lease-state.ts';
import type { LeaseSubnets } from '../lease.ts';
import { PoolExhaustedError } from '../subnet/pool-exhausted-error.ts';
import type { PublishGeneration } from './publish-generation.ts';
import type { RegistryLease } from '../registry/registry-lease.ts';
import type { RegistryCache } from '../registry/registry-cache.ts';
import { NO_LEASE } from '../registry/registry.ts';
import type { RegistryEntry, Revision } from '../registry/registry.ts';
import type { RetryTimer } from '../../lib/retry-timer.ts';
import { SubnetPool } from '../subnet/subnet-pool.ts';

/** A race is lost only because another host won, so hosts retry at once; this many in a row are suspicious. */
const RACES_BEFORE_PAUSE = 16;

export interface LeaseClaimOptions {
  readonly hold: LeaseState;
  readonly cache: Pick<RegistryCache, 'entries' | 'isConnected' | 'leases' | 'revision'>;
  readonly writer: KeyWriter;
  readonly lease: RegistryLease;
  readonly disowned: Tombstones;
  readonly publication: PublishGeneration;
  readonly retry: RetryTimer;
  readonly config: NetworkConfig;
  /** Subnets of subnet.env. */
  readonly previousSubnets?: LeaseSubnets;
}

export class LeaseAcquirer {
  readonly #options: LeaseClaimOptions;
  #config: NetworkConfig;
  #pool: SubnetPool;
  #previous: LeaseSubnets | undefined;
  #taken: { readonly revision: Revision; readonly keys: readonly string[] } | undefined;
  #races = 0;

  constructor(options: LeaseClaimOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#pool = new SubnetPool(options.config);
    this.#previous = options.previousSubnets;
  }

  setConfig(config: NetworkConfig): void {
    this.#config = config;
    this.#pool = new SubnetPool(config);
  }

  /** What a lost race told of other keys means nothing any more. */
  forgetTaken(): void {
    this.#taken = undefined;
  }

  /** The subnet of before is of no use: none like it is to be asked for. */
  forgetPrevious(): void {
    this.#previous = undefined;
  }

  /** Does the next thing to get a key; returns whether there is more to do. */
  async acquire(): Promise<boolean> {
    const { hold, cache, writer } = this.#options;
    if (!cache.isConnected) {
      writer.needsResync = true;
      return true;
    }
    if (hold.state !== 'exhausted') hold.setState(hold.key === undefined ? 'acquiring' : 'lost');
    const choice = chooseSubnet(this.choiceInput());
    if (choice.do === 'adopt') await this.adopt(choice.entry, choice.subnets);
    else if (choice.do === 'move') await this.move(choice.entry, choice.subnets);
    else if (choice.do === 'remove') await this.remove(choice.entry);
    else if (choice.do === 'create') await this.#create(choice.subnets, choice.isPreferred);
    else this.#exhausted();
    return choice.do !== 'exhausted';
  }

  /** What is known now, for a decision. */
  choiceInput(): ChoiceInput {
    const { disowned, hold, cache } = this.#options;
    const isNewer = this.#taken !== undefined && this.#taken.revision > cache.revision;
    return {
      ...hold.identities.current,
      pool: this.#pool,
      entries: cache.entries,
      leases: cache.leases,
      disowned: disowned.revisions,
      attempt: this.#races,
      ...(hold.key === undefined ? {} : { lost: hold.key }),
      ...(this.#previous === undefined ? {} : { previous: this.#previous }),
      ...(isNewer ? { takenKeys: this.#taken?.keys ?? [] } : {}),
    };
  }

  async adopt(entry: RegistryEntry, subnets: LeaseSubnets): Promise<void> {
    const { hold, cache, publication, writer } = this.#options;
    const published = cache.leases.get(entry.key)?.attributes;
    // Should the key vanish before it is ours, its subnet is the one to ask for.
    this.#previous = subnets;
    const attributes = publication.attributes(published ?? hold.key?.attributes);
    const held = await writer.adopt(entry, subnets, attributes, published);
    if (held === undefined) return;
    const code = held.leaseId === NO_LEASE ? 'lease-reserved' : 'lease-adopted';
    hold.tell({ level: 'info', code, key: held.key });
    this.#hold(held);
  }

  /** Puts the key of `subnets` in the place of a key of ours. */
  async move(
    entry: Pick<RegistryEntry, 'key' | 'leaseId' | 'modRevision'>,
    subnets: LeaseSubnets,
  ): Promise<void> {
    const { hold, cache, publication, writer } = this.#options;
    const published = cache.leases.get(entry.key)?.attributes ?? hold.key?.attributes;
    const held = await writer.move(entry, subnets, publication.attributes(published));
    if (held === undefined) return;
    this.#disown(entry, held.modRevision);
    hold.tell({ level: 'info', code: 'lease-moved', key: held.key, from: entry.key });
    this.#hold(held);
  }

  /** Removes a key of ours that is not the one to keep. */
  async remove(entry: RegistryEntry): Promise<void> {
    const { hold, writer } = this.#options;
    const goneAt = await writer.remove(entry);
    if (goneAt === undefined) return;
    this.#disown(entry, goneAt);
    hold.tell({ level: 'info', code: 'own-key-removed', key: entry.key });
  }

  tellExhausted(): void {
    const error = new PoolExhaustedError(this.#config, this.#pool.size);
    this.#options.hold.fail(error, { level: 'error', code: 'pool-exhausted', error });
  }

  async #create(choices: readonly LeaseSubnets[], isPreferred: boolean): Promise<void> {
    const { hold, publication, retry, writer } = this.#options;
    const outcome = await writer.create(choices, publication.attributes(hold.key?.attributes));
    if ('held' in outcome) {
      hold.tell({ level: 'info', code: 'lease-created', key: outcome.held.key });
      return this.#hold(outcome.held);
    }
    this.#races++;
    this.#taken = outcome.lostTo;
    // The winner may be a request of our own whose answer was lost.
    if (isPreferred) writer.needsResync = true;
    if (this.#races % RACES_BEFORE_PAUSE === 0) retry.pause();
  }

  #hold(held: HeldKey): void {
    this.#taken = undefined;
    this.#races = 0;
    this.#options.hold.hold(held);
  }

  #disown(entry: Pick<RegistryEntry, 'key' | 'modRevision'>, goneAt: Revision): void {
    const { disowned, cache } = this.#options;
    if (cache.revision < goneAt) disowned.add(entry, goneAt);
  }

  #exhausted(): void {
    const { hold, lease, retry } = this.#options;
    retry.pause();
    lease.revokeUnused();
    if (hold.state === 'exhausted') return;
    hold.setState('exhausted');
    this.tellExhausted();
  }
}
