// Whether V8 rather saves memory or time. A daemon that idles on every host is started with
// --optimize-for-size (bin/weft); while it takes in thousands of peers at once, half of its time
// would then go to collecting garbage, so until they are in the kernel V8 may do as it does by
// itself. Does nothing for a process that was started without that flag.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const FLAG = '--optimize-for-size';
/** Below so many leases there is no time to be saved, and every MB counts. */
const MANY_LEASES = 1000;

export class GcMode {
  readonly #setFlag: (flag: string) => void;
  readonly #collect: () => void;
  readonly #savesMemory: boolean;
  #isHurrying = false;

  constructor(
    flags: readonly string[] = process.execArgv,
    setFlag = setFlagsFromString,
    collect = collectAll,
  ) {
    this.#savesMemory = flags.includes(FLAG);
    this.#setFlag = setFlag;
    this.#collect = collect;
  }

  /** So many leases are about to be taken in. */
  begin(leases: number): void {
    if (!this.#savesMemory || this.#isHurrying || leases < MANY_LEASES) return;
    this.#isHurrying = true;
    this.#setFlag('--no-optimize-for-size');
  }

  /**
   * All of them are in the kernel: what the hurry took is given back, which holds this process up
   * twice. Only the first collection shows V8 which pages are mostly free; the second one empties these. What waits is served
   * between them, in a whole round of the event loop.
   */
  end(): void {
    if (!this.#isHurrying) return;
    this.#isHurrying = false;
    this.#setFlag(FLAG);
    this.#collect();
    setImmediate(() => setImmediate(this.#collect));
  }
}

/** Since V8 12 (Node 22) a full collection leaves pages as they are, unless memory is said to be short. */
const MOVES_OBJECTS = { type: 'major', execution: 'sync', flavor: 'last-resort' } as const;
const NEEDS_OPTIONS = Number(process.versions.v8.split('.')[0]) >= 12;

/**
 * One full collection: some 50 ms among 10,000 peers. V8 has it for contexts made
 * after this flag.
 */
function collectAll(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options?: object) => void;
  // Compiled code is kept for processes of the same flags (lib/code-cache.ts).
  setFlagsFromString('--no-expose-gc');
  if (NEEDS_OPTIONS) collect(MOVES_OBJECTS);
  else collect();
}
