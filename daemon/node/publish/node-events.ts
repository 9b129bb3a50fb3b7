// Reports what an administrator has to see as Events on this host's Node, where `kubectl describe node`
// shows them. A few at a time: the API server keeps each for an hour, and some causes repeat.
import type { EventCode, EventV1 } from '../../../api/index.ts';
import type { AssigningRegistry, NodeReport } from '../../../allocator/registry/registry.ts';
import { Backoff } from '../../../lib/backoff.ts';
import type { Clock } from '../../../lib/clock.ts';
import { ControlLoop } from '../../../lib/control-loop.ts';
import type { EventHub } from '../../events/event-hub.ts';
import type { LogRateLimit } from '../../log/log-rate-limit.ts';
import type { Logger } from '../../log/log.ts';

export interface NodeEventsDeps {
  readonly registry: Pick<AssigningRegistry, 'report'>;
  readonly hub: Pick<EventHub, 'watch'>;
  /** Whether the registry answers: failures while it does not are no news of the node. */
  readonly isConnected: () => boolean;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limit: LogRateLimit;
}

/** Reasons, in the form of the API, of the events that are reported. */
const REASONS: Readonly<Partial<Record<EventCode, string>>> = {
  'subnet-changed': 'SubnetChanged',
  'subnet-overlap': 'SubnetOverlap',
  'lease-lost': 'SubnetLost',
  'attempt-failed': 'SubnetUnavailable',
  'key-overwritten': 'AnnotationsOverwritten',
  'duplicate-public-ip': 'DuplicatePublicIP',
  'registry-restored': 'RegistryRestored',
  'config-rejected': 'ConfigRejected',
  KERNEL_CONTESTED: 'KernelContested',
  HOST_FAILED: 'DeviceFailed',
  'offload-bad': 'ChecksumOffloadBad',
};

/** The same text is not reported again for this long. */
const REPEAT_MS = 600_000;
/** Reports within {@link WINDOW_MS}, of all reasons. */
const MOST_REPORTS = 10;
const WINDOW_MS = 600_000;
const MAX_WAITING = 10;
const MAX_KNOWN = 100;
/** The hub keeps what happened before this began. */
const ALL = 256;
const BACKOFF = { baseMs: 2000, capMs: 120_000, random: Math.random };

export class NodeEvents {
  readonly #deps: NodeEventsDeps;
  readonly #loop: ControlLoop;
  readonly #backoff = new Backoff(BACKOFF);
  readonly #stopped = new AbortController();
  /** When each text was reported last. */
  readonly #reported = new Map<string, number>();
  #times: number[] = [];
  #waiting: NodeReport[] = [];
  #retryAtMs = -Infinity;

  constructor(deps: NodeEventsDeps) {
    this.#deps = deps;
    this.#loop = new ControlLoop({
      clock: deps.clock,
      step: () => this.#step(),
      deadlinesMs: () => [this.#retryAtMs],
    });
    this.#loop.start();
    void this.#follow();
  }

  stop(): void {
    this.#stopped.abort(new Error('The daemon was stopped'));
    void this.#loop.stop();
  }

  async #follow(): Promise<void> {
    for await (const event of this.#deps.hub.watch(ALL, this.#stopped.signal)) this.#take(event);
  }

  #take({ code, fields, level, message }: EventV1): void {
    const reason = REASONS[code];
    if (reason === undefined || (code === 'attempt-failed' && !this.#deps.isConnected())) return;
    const text = `${message}${textOf(fields)}`;
    const report: NodeReport = { isWarning: level !== 'info', reason, message: text };
    if (!this.#isDue(`${reason} ${text}`)) return;
    this.#waiting = [...this.#waiting, report].slice(-MAX_WAITING);
    this.#loop.wake();
  }

  #isDue(key: string): boolean {
    const nowMs = this.#deps.clock.nowMs();
    const last = this.#reported.get(key);
    this.#times = this.#times.filter((ms) => nowMs - ms < WINDOW_MS);
    if (last !== undefined && nowMs - last < REPEAT_MS) return false;
    if (this.#times.length >= MOST_REPORTS) return false;
    this.#times.push(nowMs);
    this.#reported.delete(key);
    this.#reported.set(key, nowMs);
    const [oldest] = this.#reported.keys();
    if (this.#reported.size > MAX_KNOWN) this.#reported.delete(oldest!);
    return true;
  }

  async #step(): Promise<boolean> {
    const { clock, limit, log, registry } = this.#deps;
    const [report] = this.#waiting;
    if (report === undefined || clock.nowMs() < this.#retryAtMs) return false;
    try {
      await registry.report(report, this.#stopped.signal);
      this.#waiting = this.#waiting.filter((one) => one !== report);
      this.#backoff.reset();
      this.#retryAtMs = -Infinity;
      return true;
    } catch (error) {
      if (this.#stopped.signal.aborted) return false;
      this.#retryAtMs = clock.nowMs() + this.#backoff.nextMs();
      if (limit.take('node-event') !== undefined)
        log.warn(`Cannot report an Event on this node, trying again: ${(error as Error).message}`);
      return false;
    }
  }
}

/** For example ` (from 10.244.1.0/24, peerKey b)`. */
function textOf(fields: EventV1['fields']): string {
  const parts = Object.entries(fields)
    .filter(([name]) => name !== 'suppressed' && name !== 'count')
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}
