// Whether this host takes new containers. A drained host has no subnet.env, without which CNI plugins
// attach none; containers that run keep their network. A released one has no lease either. A file
// beside subnet.env remembers it over restarts; a boot ends it, as /run is empty then.
import { readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { DrainStateV1 } from '../../api/index.ts';
import { replaceFile } from '../../lib/replace-file.ts';
import type { Logger } from '../log/log.ts';

const STATES: readonly string[] = ['drained', 'released'] satisfies DrainStateV1[];
const FILE_MODE = 0o644;

export interface DrainDeps {
  readonly subnetFile: string;
  readonly log: Logger;
  /** Puts a state in force. May reject, which leaves the state before. */
  readonly apply: (state: DrainStateV1) => Promise<void>;
  readonly onChange: () => void;
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

  constructor(deps: DrainDeps) {
    this.#deps = deps;
    this.#path = drainPath(deps.subnetFile);
  }

  get state(): DrainStateV1 {
    return this.#state;
  }

  /** Reads the state that an earlier daemon left. */
  async start(): Promise<void> {
    const text = (await readFile(this.#path, 'utf8').catch(() => '')).trim();
    if (STATES.includes(text)) this.#state = text as DrainStateV1;
  }

  /** Changes the state by request. Rejects if it cannot. */
  async set(state: DrainStateV1): Promise<void> {
    const { apply, log, onChange } = this.#deps;
    const before = this.#state;
    if (state === before) return;
    await apply(state);
    if (state === 'none') await rm(this.#path, { force: true });
    else await replaceFile(this.#path, `${state}\n`, FILE_MODE);
    this.#state = state;
    log.warn(`Changed by request on the control socket whether this host takes containers: ${state}`, {
      before,
    });
    if (state !== 'released') for (const wake of this.#waiting.splice(0)) wake();
    onChange();
  }

  /** Resolves once this host may lease a subnet. */
  async untilAdmitted(): Promise<void> {
    if (this.#state !== 'released') return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
