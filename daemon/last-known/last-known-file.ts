// Keeps what the registry said last in a file below /run, so that a daemon that starts while the
// registry is away programs the peers that its predecessor knew. It does not know the content.
import { mkdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { afterFailure, NO_RETRY, type Retry } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { ControlLoop } from '../../lib/control-loop.ts';
import { replaceFile } from '../../lib/replace-file.ts';
import type { LogRateLimit } from '../log/log-rate-limit.ts';
import type { Logger } from '../log/log.ts';

export interface LastKnownFileDeps {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limit: LogRateLimit;
  /** The text to keep; `undefined` while the registry has said nothing to this process. */
  readonly text: () => string | undefined;
}

const MODE = 0o600;
const FOLDER_MODE = 0o755;
/** 5,000 nodes have some 4 MB. */
const MAX_BYTES = 64 * 1024 * 1024;
/** Nodes that join together make one write. */
const SETTLE_MS = 1000;
/**
 * A write is followed by a pause of as many times what it took: 5,000 nodes take some 50 ms, and a
 * cluster in which nodes come and go all the time is to cost little.
 */
const PAUSE_FACTOR = 50;
const BACKOFF = { baseMs: 5000, capMs: 300_000 };

/** Beside subnet.env, which outlives the daemon and not the boot. */
export function lastKnownPath(subnetFile: string): string {
  return join(dirname(subnetFile), `.${basename(subnetFile)}.nodes`);
}

export class LastKnownFile {
  readonly #deps: LastKnownFileDeps;
  readonly #loop: ControlLoop;
  /** When the first change came that is not written; unset without one. */
  #changedMs: number | undefined;
  #earliestMs = -Infinity;
  #retry: Retry = NO_RETRY;

  constructor(deps: LastKnownFileDeps) {
    const { clock } = deps;
    this.#deps = deps;
    this.#loop = new ControlLoop({ clock, step: () => this.#step(), deadlinesMs: () => [this.#dueMs] });
    this.#loop.start();
  }

  /** What the registry says changed. */
  touch(): void {
    this.#changedMs ??= this.#deps.clock.nowMs();
    this.#loop.wake();
  }

  get #dueMs(): number {
    if (this.#changedMs === undefined) return Infinity;
    return Math.max(this.#changedMs + SETTLE_MS, this.#earliestMs, this.#retry.dueMs);
  }

  /** No write is running. */
  get isIdle(): boolean {
    return this.#loop.isIdle;
  }

  stop(): void {
    void this.#loop.stop();
  }

  async #step(): Promise<boolean> {
    const { clock, limit, log, path, text } = this.#deps;
    if (clock.nowMs() < this.#dueMs) return false;
    this.#changedMs = undefined;
    const startedMs = clock.nowMs();
    const content = text();
    if (content === undefined) return false;
    try {
      await mkdir(dirname(path), { recursive: true, mode: FOLDER_MODE });
      await replaceFile(path, content, MODE);
      this.#retry = NO_RETRY;
      const nowMs = clock.nowMs();
      this.#earliestMs = nowMs + PAUSE_FACTOR * (nowMs - startedMs);
    } catch (error) {
      this.#retry = afterFailure(this.#retry, BACKOFF, { ms: clock.nowMs(), jitter: Math.random() });
      this.touch();
      if (limit.take('last-known') !== undefined)
        log.warn(
          `Cannot keep the known peers in ${path} for a start without the registry, trying again: ${(error as Error).message}`,
        );
    }
    return false;
  }
}

/** The text that an earlier process kept; `undefined` without one. Never rejects. */
export async function readLastKnown(path: string, log: Logger): Promise<string | undefined> {
  try {
    const { size } = await stat(path);
    if (size > MAX_BYTES) throw new Error(`it has ${size} bytes, more than ${MAX_BYTES}`);
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') log.warn(`Ignored the known peers in ${path}: ${message}`);
    return undefined;
  }
}
