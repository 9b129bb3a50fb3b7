// Whether this host takes new containers. A drained host has no subnet.env, without which CNI plugins
// attach none; containers that run keep their network. A released one has no lease either. A file
// beside subnet.env remembers it over restarts; a boot ends it, as /run is empty then.
import { readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { LeaseAdminError } from '../../allocator/lease/lease-admin.ts';
import type { LeaseKeeper } from '../../allocator/lease/lease-keeper.ts';
import type { DrainStateV1 } from '../../api/index.ts';
import { replaceFile } from '../../lib/replace-file.ts';
import type { Logger } from '../log/log.ts';
import type { SubnetFileWriter } from './subnet-file-writer.ts';

const STATES: readonly string[] = ['drained', 'released'] satisfies DrainStateV1[];
const FILE_MODE = 0o644;

export interface DrainDeps {
  readonly subnetFile: string;
  readonly file: Pick<SubnetFileWriter, 'withdraw' | 'restore'>;
  /** Unset until this host may have a lease. */
  readonly leaseManager: () => Pick<LeaseKeeper, 'release'> | undefined;
  readonly log: Logger;
  readonly onChange: () => void;
  /** The lease is released, so the daemon has nothing more to do. */
  readonly onReleased: () => void;
}

/** The file beside subnet.env. */
export function drainPath(subnetFile: string): string {
  return join(dirname(subnetFile), `.${basename(subnetFile)}.drained`);
}

export class Drain {
  readonly #deps: DrainDeps;
  readonly #path: string;
  #state: DrainStateV1 = 'none';
  #waiting: (() => void)[] = [];
  /** The last request: one is carried out at a time. */
  #turn: Promise<void> = Promise.resolve();

  constructor(deps: DrainDeps) {
    this.#deps = deps;
    this.#path = drainPath(deps.subnetFile);
  }

  get state(): DrainStateV1 {
    return this.#state;
  }

  /** Takes the state that an earlier daemon left. */
  async start(): Promise<void> {
    const text = (await readFile(this.#path, 'utf8').catch(() => '')).trim();
    if (!STATES.includes(text)) return;
    this.#state = text as DrainStateV1;
    this.#deps.file.withdraw();
  }

  /**
   * Changes the state by request. A rejection leaves all as before.
   * @throws LeaseAdminError or RegistryError
   */
  set(state: DrainStateV1): Promise<void> {
    const done = this.#turn.then(() => this.#change(state));
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #change(state: DrainStateV1): Promise<void> {
    const { file, log, onChange } = this.#deps;
    const before = this.#state;
    if (state === 'released' && before !== state) await this.#release(before);
    else await this.#remember(state);
    this.#state = state;
    // Also where nothing changes: a request that is repeated repairs.
    if (state === 'none') file.restore();
    else file.withdraw();
    if (state !== before)
      log.warn(`Changed by request on the control socket whether this host takes containers: ${state}`, {
        before,
      });
    if (state !== 'released') for (const wake of this.#waiting.splice(0)) wake();
    onChange();
  }

  /** What is remembered comes first: a daemon that starts after a crash must not lease again. */
  async #release(before: DrainStateV1): Promise<void> {
    const { leaseManager, log, onReleased } = this.#deps;
    const manager = leaseManager();
    if (manager === undefined)
      throw new LeaseAdminError(
        'not-ready',
        'The daemon has no lease to release yet: weft status says what it waits for',
      );
    await this.#remember('released');
    try {
      await manager.release();
    } catch (error) {
      await this.#remember(before).catch((late: Error) =>
        log.error(`Cannot restore ${this.#path}, remove it: ${late.message}`),
      );
      throw error;
    }
    onReleased();
  }

  async #remember(state: DrainStateV1): Promise<void> {
    if (state === 'none') await rm(this.#path, { force: true });
    else await replaceFile(this.#path, `${state}\n`, FILE_MODE);
  }

  /** Resolves once this host may lease a subnet. */
  async untilAdmitted(): Promise<void> {
    if (this.#state !== 'released') return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
