// The firewall as one more kernel table: what of it is ours, read by nft and iptables-save, changed by nft and
// iptables-restore, each change one transaction. What was read counts until somebody says that it is stale, so that a
// host on which nothing happens starts no process. One thing at a time.
import type { Family } from '../../../lib/address.ts';
import { FAMILIES } from '../../../backends/address-family.ts';
import { OWN_CHAINS, chainName, type OwnChain } from '../../../backends/firewall-iptables.ts';
import { NFT_TABLES } from '../../../backends/firewall-nft.ts';
import { objectKey, type FirewallObject, type ObjectKey } from '../../../backends/kernel-state.ts';
import type { KernelNotification, Step } from '../kernel.ts';
import { DONE, type Outcome, rejection } from '../netlink/outcome.ts';
import { parseSave, removeScript, setScript } from './iptables-save.ts';
import { CanonicalRules } from './canonical-rules.ts';
import { describe, type FirewallTools } from './tools.ts';
import { runProgram, type ProgramOutput, type RunProgram } from './run-program.ts';

/** What is read by one process. */
export interface FirewallScope {
  readonly engine: FirewallObject['engine'];
  readonly family: Family;
}

interface PartReading {
  readonly objects: readonly FirewallObject[];
  readonly isForwardDropping: boolean;
}

const NOTHING: PartReading = { objects: [], isForwardDropping: false };

export class FirewallTable {
  readonly #parts: readonly FirewallScope[];
  readonly #run: RunProgram;
  readonly #learned = new CanonicalRules();
  readonly #readings = new Map<FirewallScope, PartReading>();
  readonly #stale = new Set<FirewallScope>();
  /** Parts that somebody may have changed since {@link refresh} told of them, whoever has read them meanwhile. */
  readonly #untold = new Set<FirewallScope>();
  /** Keys of all objects that a part ever had. */
  readonly #known = new Map<FirewallScope, Set<ObjectKey>>();
  #toldDrops = '';
  /** Ends when all that was asked for so far has been done. */
  #last: Promise<unknown> = Promise.resolve();

  constructor({ hasNft, iptables }: FirewallTools, run: RunProgram = runProgram) {
    this.#run = run;
    const engines = [...(hasNft ? (['nft'] as const) : []), ...(iptables ? (['iptables'] as const) : [])];
    this.#parts = engines.flatMap((engine) => FAMILIES.map((family) => ({ engine, family })));
    this.markStale();
  }

  /** Somebody may have changed what `isMeant` names; default everything. */
  markStale(isMeant: (part: FirewallScope) => boolean = () => true): void {
    for (const part of this.#parts.filter(isMeant)) {
      this.#stale.add(part);
      this.#untold.add(part);
    }
  }

  get hasNews(): boolean {
    return this.#untold.size > 0;
  }

  /** Whether rules of ours were there when `engine` was last read. */
  hasRules(engine: FirewallScope['engine']): boolean {
    return this.#parts.some((part) => part.engine === engine && this.#readingOf(part).objects.length > 0);
  }

  /** All rules that are ours. */
  read(): Promise<readonly FirewallObject[]> {
    return this.#exclusively(async () => {
      await this.#readStale();
      return this.#parts.flatMap((part) => this.#readingOf(part).objects);
    });
  }

  /** Families whose FORWARD chain drops what no rule accepts. */
  readForwardDrops(): Promise<readonly Family[]> {
    return this.#exclusively(async () => {
      // The table of nftables has no such chain.
      await this.#readAgain([...this.#stale].filter(({ engine }) => engine === 'iptables'));
      return this.#dropFamilies();
    });
  }

  /** Tells how everything is now that somebody may have changed, changed or not. */
  refresh(): Promise<readonly KernelNotification[]> {
    return this.#exclusively(async () => {
      const parts = [...this.#untold];
      this.#untold.clear();
      await this.#readStale();
      const notifications = parts.flatMap((part) => this.#describe(part));
      const drops = this.#dropFamilies().join();
      if (drops === this.#toldDrops) return notifications;
      this.#toldDrops = drops;
      return [...notifications, { kind: 'forward-policy' }];
    });
  }

  apply({
    action,
    object,
  }: {
    readonly action: Step['action'];
    readonly object: FirewallObject;
  }): Promise<Outcome> {
    return this.#exclusively(async () => {
      const part = this.#parts.find(
        ({ engine, family }) => engine === object.engine && family === object.family,
      );
      if (part === undefined)
        return rejection('ENOENT', `${object.engine} is not installed or does not work here`);
      const output = await (action === 'set' ? this.#set(part, object) : this.#remove(part, object));
      this.#stale.add(part);
      if (output.code !== 0) return rejection('EIO', `${object.engine}: ${describe(output)}`);
      if (action === 'set') await this.#learn(part, object);
      return DONE;
    });
  }

  /** In one transaction with what was there, so that there is no moment without rules. */
  async #set(part: FirewallScope, object: FirewallObject): Promise<ProgramOutput> {
    if (part.engine === 'nft') {
      const table = `table ${wordOf(part)} ${object.name}`;
      return this.#run('nft', ['-f', '-'], `add ${table}\ndelete ${table}\n${object.rules}`);
    }
    return this.#restore(
      part,
      setScript(chainOf(object), object.rules, await this.#currentRules(part, object)),
    );
  }

  async #remove(part: FirewallScope, object: FirewallObject): Promise<ProgramOutput> {
    if (part.engine === 'nft') {
      const table = `table ${wordOf(part)} ${object.name}`;
      return this.#run('nft', ['-f', '-'], `add ${table}\ndelete ${table}\n`);
    }
    return this.#restore(part, removeScript(chainOf(object), await this.#currentRules(part, object)));
  }

  #restore({ family }: FirewallScope, script: string): Promise<ProgramOutput> {
    return this.#run(`${xtables(family)}-restore`, ['--noflush', '--wait'], script);
  }

  /** In the words of the program: a rule that is deleted must be there. */
  async #currentRules(part: FirewallScope, object: FirewallObject): Promise<string> {
    await this.#readAgain(this.#stale.has(part) ? [part] : []);
    return this.#printed(part, object) ?? '';
  }

  async #learn(part: FirewallScope, object: FirewallObject): Promise<void> {
    await this.#readAgain([part]);
    const printed = this.#printed(part, object);
    if (printed !== undefined) this.#learned.learn(object, printed);
  }

  #printed(part: FirewallScope, { name: wanted }: FirewallObject): string | undefined {
    return this.#readings.get(part)?.objects.find(({ name }) => name === wanted)?.rules;
  }

  #readStale(): Promise<void> {
    return this.#readAgain([...this.#stale]);
  }

  /** What changes while it is read is stale again. */
  async #readAgain(parts: readonly FirewallScope[]): Promise<void> {
    for (const part of parts) this.#stale.delete(part);
    await Promise.all(
      parts.map(async (part) => {
        const reading = await this.#readPart(part);
        this.#readings.set(part, reading);
        this.#known.set(part, new Set([...(this.#known.get(part) ?? []), ...reading.objects.map(objectKey)]));
      }),
    );
  }

  #readPart(part: FirewallScope): Promise<PartReading> {
    return part.engine === 'nft' ? this.#readNft(part) : this.#readIptables(part);
  }

  /** What cannot be read counts as missing: to write it again tells why, and harms nobody. */
  async #readNft(part: FirewallScope): Promise<PartReading> {
    const name = NFT_TABLES[part.family];
    const output = await this.#run('nft', ['--stateless', 'list', 'table', wordOf(part), name]);
    if (output.code !== 0) return NOTHING;
    return { objects: [this.#object(part, name, output.stdout)], isForwardDropping: false };
  }

  async #readIptables(part: FirewallScope): Promise<PartReading> {
    const output = await this.#run(`${xtables(part.family)}-save`, []);
    if (output.code !== 0) return NOTHING;
    const { chains, isForwardDropping } = parseSave(output.stdout);
    return { objects: [...chains].map(([name, text]) => this.#object(part, name, text)), isForwardDropping };
  }

  #object({ engine, family }: FirewallScope, name: string, rules: string): FirewallObject {
    return { kind: 'firewall', engine, family, name, rules };
  }

  #describe(part: FirewallScope): readonly KernelNotification[] {
    const now = new Map(this.#readingOf(part).objects.map((object) => [objectKey(object), object]));
    return Array.from(this.#known.get(part) ?? [], (key) => {
      const object = now.get(key);
      return object === undefined ? { kind: 'object', key } : { kind: 'object', key, object };
    });
  }

  /** In the words of who wants it. */
  #readingOf(part: FirewallScope): PartReading {
    const { objects, isForwardDropping } = this.#readings.get(part) ?? NOTHING;
    return { objects: objects.map((object) => this.#learned.translate(object)), isForwardDropping };
  }

  #dropFamilies(): readonly Family[] {
    return this.#parts.filter((part) => this.#readingOf(part).isForwardDropping).map(({ family }) => family);
  }

  #exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

function chainOf({ name }: FirewallObject): OwnChain {
  const own = OWN_CHAINS.find((each) => chainName(each) === name);
  if (own === undefined) throw new Error(`No chain of ours is named ${name}`);
  return own;
}

/** The word of nft for a family. */
function wordOf({ family }: FirewallScope): string {
  return family === 4 ? 'ip' : 'ip6';
}

function xtables(family: Family): string {
  return family === 4 ? 'iptables' : 'ip6tables';
}
