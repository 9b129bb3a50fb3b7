// The firewall as one more kernel table: our part of it, read by nft and iptables-save, changed by
// nft and iptables-restore, each change one transaction. A snapshot is valid until it is marked
// stale, so that a host on which nothing happens starts no process. One operation at a time.
import type { Family } from '../../../lib/address.ts';
import { FAMILIES } from '../../../backends/address-family.ts';
import { NFT_TABLES } from '../../../backends/firewall/firewall-nft.ts';
import { objectKey, type FirewallObject, type ObjectKey } from '../../../backends/kernel-state.ts';
import type { KernelNotification, Step } from '../kernel.ts';
import { DONE, type Outcome, rejection } from '../netlink/outcome.ts';
import { chainNamed, parseSave, removeScript, setScript } from './iptables-save.ts';
import { CanonicalRules } from './canonical-rules.ts';
import { describe, nftFamily, type FirewallTools, xtables } from './tools.ts';
import { runTool, type ToolOutput, type RunTool } from './run-tool.ts';

/** What one process reads. */
export interface FirewallScope {
  readonly engine: FirewallObject['engine'];
  /** Address family. */
  readonly family: Family;
}

interface ScopeSnapshot {
  readonly objects: readonly FirewallObject[];
  readonly isForwardDropping: boolean;
}

const EMPTY: ScopeSnapshot = { objects: [], isForwardDropping: false };

/** Our rules, by scope. */
export class FirewallTable {
  readonly #scopes: readonly FirewallScope[];
  readonly #run: RunTool;
  readonly #canonical = new CanonicalRules();
  readonly #snapshots = new Map<FirewallScope, ScopeSnapshot>();
  readonly #stale = new Set<FirewallScope>();
  /**
   * Scopes that may have changed since {@link refresh} reported them, even if they were read since.
   */
  readonly #dirty = new Set<FirewallScope>();
  /** Keys of all objects that a scope ever had. */
  readonly #known = new Map<FirewallScope, Set<ObjectKey>>();
  #notifiedDrops = '';
  /** Resolves when the last operation that was enqueued has ended. */
  #tail: Promise<unknown> = Promise.resolve();

  /** `tools` decide which scopes there are. */
  constructor({ hasNft, iptables }: FirewallTools, run: RunTool = runTool) {
    this.#run = run;
    const engines = [...(hasNft ? (['nft'] as const) : []), ...(iptables ? (['iptables'] as const) : [])];
    this.#scopes = engines.flatMap((engine) => FAMILIES.map((family) => ({ engine, family })));
    this.markStale();
  }

  /** The scopes for which `isStale` holds may have changed; default all. */
  markStale(isStale: (scope: FirewallScope) => boolean = () => true): void {
    for (const scope of this.#scopes.filter(isStale)) {
      this.#stale.add(scope);
      this.#dirty.add(scope);
    }
  }

  /** Whether {@link refresh} has anything to report. */
  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  /** Whether `engine` had rules of ours when it was last read. */
  hasRules(engine: FirewallScope['engine']): boolean {
    return this.#scopes.some(
      (scope) => scope.engine === engine && this.#snapshotOf(scope).objects.length > 0,
    );
  }

  /** All rules that are ours. Never rejects. */
  read(): Promise<readonly FirewallObject[]> {
    return this.#exclusively(async () => {
      await this.#readStale();
      return this.#scopes.flatMap((scope) => this.#snapshotOf(scope).objects);
    });
  }

  /** Address families whose FORWARD chain drops packets that no rule accepts. Never rejects. */
  readForwardDrops(): Promise<readonly Family[]> {
    return this.#exclusively(async () => {
      // Our table of nftables has no such chain.
      await this.#readScopes([...this.#stale].filter(({ engine }) => engine === 'iptables'));
      return this.#dropFamilies();
    });
  }

  /**
   * Reads and reports the present state of all that may have changed, whether it did or not. Never
   * rejects.
   */
  refresh(): Promise<readonly KernelNotification[]> {
    return this.#exclusively(async () => {
      const scopes = [...this.#dirty];
      this.#dirty.clear();
      await this.#readStale();
      const notifications = scopes.flatMap((scope) => this.#describe(scope));
      const drops = this.#dropFamilies().join();
      if (drops === this.#notifiedDrops) return notifications;
      this.#notifiedDrops = drops;
      return [...notifications, { kind: 'forward-policy' }];
    });
  }

  /**
   * One step. Rejected: ENOENT without the tool, EIO with its first line of output. Never rejects.
   */
  apply({
    action,
    object,
  }: {
    readonly action: Step['action'];
    readonly object: FirewallObject;
  }): Promise<Outcome> {
    return this.#exclusively(async () => {
      const scope = this.#scopes.find(
        ({ engine, family }) => engine === object.engine && family === object.family,
      );
      if (scope === undefined)
        return rejection('ENOENT', `${object.engine} is not installed or does not work here`);
      const output = await (action === 'set' ? this.#set(scope, object) : this.#remove(scope, object));
      this.#stale.add(scope);
      if (output.code !== 0) return rejection('EIO', `${object.engine}: ${describe(output)}`);
      if (action === 'set') await this.#recordPrinted(scope, object);
      return DONE;
    });
  }

  /** Replaces the old rules in one transaction, so that there is no moment without rules. */
  async #set(scope: FirewallScope, object: FirewallObject): Promise<ToolOutput> {
    if (scope.engine === 'nft') {
      const table = `table ${nftFamily(scope.family)} ${object.name}`;
      return this.#run('nft', ['-f', '-'], `add ${table}\ndelete ${table}\n${object.rules}`);
    }
    return this.#restore(
      scope,
      setScript(chainNamed(object.name), object.rules, await this.#currentRules(scope, object)),
    );
  }

  async #remove(scope: FirewallScope, object: FirewallObject): Promise<ToolOutput> {
    if (scope.engine === 'nft') {
      const table = `table ${nftFamily(scope.family)} ${object.name}`;
      return this.#run('nft', ['-f', '-'], `add ${table}\ndelete ${table}\n`);
    }
    return this.#restore(
      scope,
      removeScript(chainNamed(object.name), await this.#currentRules(scope, object)),
    );
  }

  #restore({ family }: FirewallScope, script: string): Promise<ToolOutput> {
    return this.#run(`${xtables(family)}-restore`, ['--noflush', '--wait'], script);
  }

  /** As the tool prints them: iptables-restore deletes a rule only by its exact text. */
  async #currentRules(scope: FirewallScope, object: FirewallObject): Promise<string> {
    await this.#readScopes(this.#stale.has(scope) ? [scope] : []);
    return this.#printed(scope, object) ?? '';
  }

  async #recordPrinted(scope: FirewallScope, object: FirewallObject): Promise<void> {
    await this.#readScopes([scope]);
    const printed = this.#printed(scope, object);
    if (printed !== undefined) this.#canonical.record(object, printed);
  }

  #printed(scope: FirewallScope, { name: wanted }: FirewallObject): string | undefined {
    return this.#snapshots.get(scope)?.objects.find(({ name }) => name === wanted)?.rules;
  }

  #readStale(): Promise<void> {
    return this.#readScopes([...this.#stale]);
  }

  /** Marks scopes as read before the read, so that a change during it makes them stale again. */
  async #readScopes(scopes: readonly FirewallScope[]): Promise<void> {
    for (const scope of scopes) this.#stale.delete(scope);
    await Promise.all(
      scopes.map(async (scope) => {
        const snapshot = await this.#readScope(scope);
        this.#snapshots.set(scope, snapshot);
        this.#known.set(
          scope,
          new Set([...(this.#known.get(scope) ?? []), ...snapshot.objects.map(objectKey)]),
        );
      }),
    );
  }

  #readScope(scope: FirewallScope): Promise<ScopeSnapshot> {
    return scope.engine === 'nft' ? this.#readNft(scope) : this.#readIptables(scope);
  }

  /** A scope that cannot be read counts as empty: the next write reports why, and does no harm. */
  async #readNft(scope: FirewallScope): Promise<ScopeSnapshot> {
    const name = NFT_TABLES[scope.family];
    const output = await this.#run('nft', ['--stateless', 'list', 'table', nftFamily(scope.family), name]);
    if (output.code !== 0) return EMPTY;
    return { objects: [this.#object(scope, name, output.stdout)], isForwardDropping: false };
  }

  async #readIptables(scope: FirewallScope): Promise<ScopeSnapshot> {
    const output = await this.#run(`${xtables(scope.family)}-save`, []);
    if (output.code !== 0) return EMPTY;
    const { chains, isForwardDropping } = parseSave(output.stdout);
    return { objects: [...chains].map(([name, text]) => this.#object(scope, name, text)), isForwardDropping };
  }

  #object({ engine, family }: FirewallScope, name: string, rules: string): FirewallObject {
    return { kind: 'firewall', engine, family, name, rules };
  }

  #describe(scope: FirewallScope): readonly KernelNotification[] {
    const now = new Map(this.#snapshotOf(scope).objects.map((object) => [objectKey(object), object]));
    return Array.from(this.#known.get(scope) ?? [], (key) => {
      const object = now.get(key);
      return object === undefined ? { kind: 'object', key } : { kind: 'object', key, object };
    });
  }

  /** With canonical rules, so that they compare equal to desired ones. */
  #snapshotOf(scope: FirewallScope): ScopeSnapshot {
    const { objects, isForwardDropping } = this.#snapshots.get(scope) ?? EMPTY;
    return { objects: objects.map((object) => this.#canonical.canonicalize(object)), isForwardDropping };
  }

  #dropFamilies(): readonly Family[] {
    return this.#scopes
      .filter((scope) => this.#snapshotOf(scope).isForwardDropping)
      .map(({ family }) => family);
  }

  #exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}
