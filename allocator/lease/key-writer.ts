// Writes this host's key: each method is one write with compare, or the calls that lead up to one. It knows nothing of
// why. After a write that failed or was refused, `needsResync` says that the cache may not show what is there.
import { encodeLeaseValue, sameAttributes } from '../registry/lease-value.ts';
import type { OwnKey } from './lease-decision.ts';
import type { LeaseAttributes, LeaseSubnets } from '../lease.ts';
import type { RegistryLease } from '../registry/registry-lease.ts';
import type { RegistryCache } from '../registry/registry-cache.ts';
import { NO_LEASE, RegistryError } from '../registry/registry.ts';
import type { Registry, RegistryEntry, LeaseId, Revision } from '../registry/registry.ts';
import { formatSubnetKey } from '../registry/subnet-key.ts';

/** The own key after a write that succeeded. `createdAt` is set if this host made the key in this life. */
export interface HeldKey extends OwnKey {
  readonly createdAt?: Revision;
}

export type CreateOutcome =
  | { readonly held: HeldKey }
  | { readonly lostTo: { readonly revision: Revision; readonly keys: readonly string[] } };

export interface KeyWriterOptions {
  readonly registry: Pick<Registry, 'create' | 'update' | 'move' | 'remove'>;
  readonly cache: Pick<RegistryCache, 'noteRevision'>;
  readonly lease: RegistryLease;
  readonly signal: AbortSignal;
}

export class KeyWriter {
  /** Whether the registry may hold something else than the cache shows. To be cleared after a fresh read. */
  needsResync = false;
  readonly #options: KeyWriterOptions;

  constructor(options: KeyWriterOptions) {
    this.#options = options;
  }

  /** Leases the first of `choices` that is free. */
  async create(choices: readonly LeaseSubnets[], attributes: LeaseAttributes): Promise<CreateOutcome> {
    const { registry, lease, signal } = this.#options;
    const leaseId = await lease.ensure();
    const keys = choices.map(formatSubnetKey);
    const value = encodeLeaseValue(attributes);
    const result = await this.#write(registry.create({ keys, value, leaseId }, signal));
    const { revision } = result;
    if (!result.created) return { lostTo: { revision, keys: result.takenKeys } };
    const { key } = result;
    const subnets = choices[keys.indexOf(key)] ?? {};
    return { held: { key, subnets, attributes, leaseId, modRevision: revision, createdAt: revision } };
  }

  /**
   * Makes a key ours that names us, keeping its registry lease while that lives and its value if that is right;
   * `undefined` if somebody else was faster.
   * @param published - what the entry decodes to, unless it is garbage.
   */
  async adopt(
    entry: RegistryEntry,
    subnets: LeaseSubnets,
    attributes: LeaseAttributes,
    published: LeaseAttributes | undefined,
  ): Promise<HeldKey | undefined> {
    const leaseId = await this.#leaseFor(entry);
    const held = { key: entry.key, subnets, attributes, leaseId, modRevision: entry.modRevision };
    const isRight = published !== undefined && sameAttributes(attributes, published);
    return isRight && leaseId === entry.leaseId ? held : this.update(held);
  }

  /** Writes value and lease of `held` if nobody wrote since its `modRevision`; `undefined` if somebody did. */
  async update(held: HeldKey): Promise<HeldKey | undefined> {
    const { registry, signal } = this.#options;
    const { key, attributes, leaseId, modRevision } = held;
    const entry = { key, value: encodeLeaseValue(attributes), leaseId };
    const result = await this.#write(registry.update(entry, modRevision, signal));
    if (result.written) return { ...held, modRevision: result.revision };
    this.needsResync = true;
    return undefined;
  }

  /**
   * Puts the key of `subnets` in the place of `entry`, a key of ours, on the same registry lease while that lives;
   * `undefined` if somebody else was faster.
   */
  async move(
    entry: Pick<RegistryEntry, 'key' | 'leaseId' | 'modRevision'>,
    subnets: LeaseSubnets,
    attributes: LeaseAttributes,
  ): Promise<HeldKey | undefined> {
    const { registry, signal } = this.#options;
    const leaseId = await this.#leaseFor(entry);
    const key = formatSubnetKey(subnets);
    const to = { key, value: encodeLeaseValue(attributes), leaseId };
    const result = await this.#write(registry.move(entry.key, entry.modRevision, to, signal));
    const { revision } = result;
    if (result.written)
      return { key, subnets, attributes, leaseId, modRevision: revision, createdAt: revision };
    this.needsResync = true;
    return undefined;
  }

  /** Removes a key if nobody wrote to it since; returns from which revision on it is gone, `undefined` if it is not. */
  async remove({ key, modRevision }: RegistryEntry): Promise<Revision | undefined> {
    const { registry, signal } = this.#options;
    const { written, revision } = await this.#write(registry.remove(key, modRevision, signal));
    if (written) return revision;
    this.needsResync = true;
    return undefined;
  }

  /** None for a reservation; that of the entry while it lives; else one of ours. */
  async #leaseFor(entry: Pick<RegistryEntry, 'leaseId'>): Promise<LeaseId> {
    const { lease } = this.#options;
    if (entry.leaseId === NO_LEASE) return NO_LEASE;
    if (await lease.takeOver(entry.leaseId)) return entry.leaseId;
    if (lease.id === entry.leaseId) lease.forget();
    return lease.ensure();
  }

  /** A write that failed may have been done all the same, unless the registry said why not. */
  async #write<Answer extends { readonly revision: Revision }>(call: Promise<Answer>): Promise<Answer> {
    try {
      const answer = await call;
      this.#options.cache.noteRevision(answer.revision);
      return answer;
    } catch (error) {
      const isRefused = error instanceof RegistryError && error.code === 'REGISTRY_LEASE_NOT_FOUND';
      if (!isRefused) this.needsResync = true;
      throw error;
    }
  }
}
