// What hosts of a cluster report to each other about peers that do not answer: a key of the registry a peer,
// which all hosts follow and which expires. Each host that reads one believes its own echoes alone, and
// probes that peer itself: one message replaces echoes of every host to every peer.
import { RegistryError, type Registry } from '../../allocator/registry/registry.ts';
import { FolderFollower } from '../../allocator/registry/folder-follower.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../log/log.ts';

/** Folder below `<prefix>/weft/`; the rest of each key is that of a lease. */
export const SILENT_FOLDER = 'silent/';
/** Life of a report, in which the peer is not reported again. */
const REPORT_SEC = 60;
/** Reports of this host in a minute: a peer is seen by many, and hosts with many silent peers are cut off themselves. */
const MAX_REPORTS = 10;
/** After the start of the node: no start waits for it. */
const START_MS = 5_000;

export interface SharedSilenceOptions {
  readonly registry: Pick<Registry, 'followMeta' | 'grant' | 'writeMeta'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** Another host, or this one, found that a peer does not answer. */
  readonly onReport: (key: string) => void;
}

export class SharedSilence {
  readonly #options: SharedSilenceOptions;
  readonly #follower: FolderFollower;
  /** When each peer was reported last, by whatever host, in ms. */
  readonly #reportedMs = new Map<string, number>();
  readonly #ownMs: number[] = [];
  /** The registry took no report of this host's: others may have no right to report either. */
  #isDenied = false;
  #cancelStart: () => void = () => undefined;

  constructor(options: SharedSilenceOptions) {
    const { clock, log, random, registry } = options;
    this.#options = options;
    this.#follower = new FolderFollower({
      registry,
      clock,
      random,
      onChange: (key, text) => this.#receive(key, text),
      onEnd: ({ message }) => log.debug(`Cannot follow reports of silent peers: ${message}`),
    });
  }

  start(): void {
    this.#cancelStart = this.#options.clock.setTimer(START_MS, () => this.#follower.follow(SILENT_FOLDER));
  }

  stop(): void {
    this.#cancelStart();
    this.#follower.stop();
  }

  /** Whether reports of others arrive, as far as this host knows. */
  get isShared(): boolean {
    return this.#follower.isFollowing && !this.#isDenied;
  }

  /** Reports it to the others, unless one of them did. Never rejects. */
  async report(key: string): Promise<void> {
    const { registry, log } = this.#options;
    if (!this.#follower.isFollowing || !this.#mayReport(key)) return;
    try {
      const leaseId = await registry.grant(REPORT_SEC);
      await registry.writeMeta({ key: `${SILENT_FOLDER}${key}`, value: '{"version":1}', leaseId });
      this.#isDenied = false;
    } catch (error) {
      this.#isDenied = error instanceof RegistryError && error.code === 'REGISTRY_DENIED';
      log.debug(`Cannot report a silent peer: ${(error as Error).message}`);
    }
  }

  #mayReport(key: string): boolean {
    const nowMs = this.#options.clock.nowMs();
    const isRecent = (atMs: number | undefined): boolean =>
      atMs !== undefined && nowMs - atMs < REPORT_SEC * 1000;
    while (this.#ownMs.length > 0 && !isRecent(this.#ownMs[0])) this.#ownMs.shift();
    if (isRecent(this.#reportedMs.get(key)) || this.#ownMs.length >= MAX_REPORTS) return false;
    this.#ownMs.push(nowMs);
    this.#reportedMs.set(key, nowMs);
    return true;
  }

  #receive(key: string, text: string | undefined): void {
    if (text === undefined) {
      this.#reportedMs.delete(key);
      return;
    }
    this.#reportedMs.set(key, this.#options.clock.nowMs());
    this.#options.onReport(key);
  }
}
