// One watch: a stream of its own with two watches on it, config and subnets. Delivers events in
// order, detects a silent server or network, and ends with a reason instead of an error. Never
// reconnects; never throws into gRPC.
import { performance } from 'node:perf_hooks';
import { toRevision } from '../registry.ts';
import type { RegistryEvent, Revision, WatchEnd, WatchOptions } from '../registry.ts';
import type { EtcdCall, EtcdClient } from './client.ts';
import { registryError, toRegistryError, watchCancelled } from './errors.ts';
import type { CallContext } from './errors.ts';
import type { EtcdKeys } from './keys.ts';
import type { EtcdRpc } from './rpc.ts';
import type { WatchResponse } from './wire/messages.ts';

type WatchStream = ReturnType<EtcdRpc['watch']>;

const WATCHES_PER_STREAM = 2;
/** Watch id of answers to progress requests; periodic notifications have the id of their watch. */
const PROBE_WATCH_ID = '-1';

/** Runs a watch until it ends. Resolves in every case. */
export async function watchEtcd(
  client: EtcdClient,
  keys: EtcdKeys,
  options: WatchOptions,
): Promise<WatchEnd> {
  const call: EtcdCall = { name: 'watch', scope: keys.scope, isRepeatable: true };
  try {
    return await client.stream(call, options.signal, (rpc) => new Watch(client, keys, options, rpc).run());
  } catch (error) {
    if (options.signal.aborted || client.isClosed) return { reason: 'aborted' };
    return { reason: 'lost', error: error instanceof Error ? error : new Error(String(error)) };
  }
}

class Watch {
  readonly #client: EtcdClient;
  readonly #keys: EtcdKeys;
  readonly #options: WatchOptions;
  readonly #rpc: EtcdRpc;
  readonly #startMs = performance.now();
  #stream: WatchStream | undefined;
  #finish: (end: WatchEnd) => void = () => undefined;
  #hasEnded = false;
  #createdWatches = 0;
  /** Responses that came before both watches existed; delivered after `onReady`. */
  #buffered: WatchResponse[] = [];
  #lastActivityMs = performance.now();
  /**
   * Whether this server answers progress requests (etcd 3.4 and later); only then does silence mean
   * something.
   */
  #answersProbes = false;
  /** Progress was requested, and the server has not answered since. */
  #awaitingProgress = false;
  #probeTimer: NodeJS.Timeout | undefined;

  constructor(client: EtcdClient, keys: EtcdKeys, options: WatchOptions, rpc: EtcdRpc) {
    this.#client = client;
    this.#keys = keys;
    this.#options = options;
    this.#rpc = rpc;
  }

  async run(): Promise<WatchEnd> {
    const stream = this.#rpc.watch();
    this.#stream = stream;
    const { idleProbeMs, requestTimeoutMs } = this.#client.settings;
    this.#probeIn(idleProbeMs);
    const startTimer = setTimeout(() => this.#checkStarted(), requestTimeoutMs);
    const stopListening = this.#rpc.channel.onClose(() => this.#fail('the connection was given up'));
    const onAbort = (): void => this.#finish({ reason: 'aborted' });
    try {
      return await new Promise<WatchEnd>((resolve) => {
        this.#finish = (end) => {
          this.#hasEnded = true;
          resolve(end);
        };
        this.#rpc.signal.addEventListener('abort', onAbort, { once: true });
        if (this.#rpc.signal.aborted) onAbort();
        this.#listen(stream);
        this.#requestWatches(stream);
      });
    } finally {
      this.#rpc.signal.removeEventListener('abort', onAbort);
      stopListening();
      clearTimeout(startTimer);
      clearTimeout(this.#probeTimer);
      // The error listener stays: cancelling makes the stream report one more error.
      stream.cancel();
    }
  }

  #listen(stream: WatchStream): void {
    stream.on('data', (response) => this.#guarded(() => this.#receive(response)));
    stream.on('error', (error) => this.#fail(toRegistryError(error, this.#context)));
    stream.on('end', () => this.#fail('the server ended the stream'));
  }

  #requestWatches(stream: WatchStream): void {
    const { configKey, subnetsStart, subnetsEnd } = this.#keys;
    const common = { start_revision: this.#options.fromRevision, progress_notify: true };
    stream.write({ create_request: { key: subnetsStart, range_end: subnetsEnd, ...common } });
    stream.write({ create_request: { key: configKey, ...common } });
  }

  #receive(response: WatchResponse): void {
    if (this.#hasEnded) return;
    this.#rpc.channel.touch();
    this.#lastActivityMs = performance.now();
    if (this.#awaitingProgress) this.#probeIn(this.#client.settings.idleProbeMs);
    this.#awaitingProgress = false;
    if (response.canceled) return this.#cancelled(response);
    if (response.created) return this.#created(response);
    if (response.events.length === 0) this.#answersProbes ||= response.watch_id === PROBE_WATCH_ID;
    else if (this.#createdWatches < WATCHES_PER_STREAM) this.#buffered.push(response);
    else this.#deliver(response);
  }

  #created(response: WatchResponse): void {
    const revision = response.header.revision;
    // The reader saw a later revision: this server was restored from a backup, or lags behind.
    if (revision + 1 < this.#options.fromRevision)
      return this.#fail(`the registry is at revision ${revision}, before ${this.#options.fromRevision}`);
    this.#createdWatches++;
    if (this.#createdWatches < WATCHES_PER_STREAM) return;
    this.#requestProgress();
    this.#options.onReady?.();
    for (const buffered of this.#buffered) this.#deliver(buffered);
    this.#buffered = [];
  }

  #cancelled(response: WatchResponse): void {
    if (response.compact_revision > 0) return this.#finish({ reason: 'compacted' });
    // An expired token is one of the reasons, and some versions of etcd do not report it.
    this.#client.forgetToken();
    this.#fail(watchCancelled(response.cancel_reason, this.#context));
  }

  #deliver(response: WatchResponse): void {
    if (this.#hasEnded) return;
    const events = response.events.map(({ type, kv }): RegistryEvent => this.#keys.decodeEvent(type, kv));
    const revision: Revision = toRevision(response.header.revision);
    this.#options.onEvents(events, revision);
  }

  #checkStarted(): void {
    if (this.#createdWatches === WATCHES_PER_STREAM) return;
    this.#fail(`the server did not accept the watch within ${this.#client.settings.requestTimeoutMs} ms`);
    this.#client.markFailed(this.#rpc.channel, this.#startMs);
  }

  #probeIn(delayMs: number): void {
    clearTimeout(this.#probeTimer);
    this.#probeTimer = setTimeout(() => this.#probe(), delayMs);
  }

  /**
   * Requests progress on a quiet stream. TCP and HTTP/2 may seem alive while etcd is stopped or cut
   * off.
   */
  #probe(): void {
    const { idleProbeMs, requestTimeoutMs } = this.#client.settings;
    // Responses that came while this process did not run are read first.
    if (this.#awaitingProgress) return void setImmediate(() => this.#onProgressTimeout());
    const leftMs = Math.ceil(idleProbeMs - (performance.now() - this.#lastActivityMs));
    if (leftMs > 0) return this.#probeIn(leftMs);
    this.#awaitingProgress = this.#answersProbes;
    this.#requestProgress();
    this.#probeIn(this.#awaitingProgress ? Math.max(requestTimeoutMs, idleProbeMs / 2) : idleProbeMs);
  }

  #onProgressTimeout(): void {
    if (this.#hasEnded) return;
    if (!this.#awaitingProgress) return this.#probe();
    this.#fail(`no sign of life for ${Math.round(performance.now() - this.#lastActivityMs)} ms`);
    this.#client.markFailed(this.#rpc.channel, this.#lastActivityMs);
  }

  get #context(): CallContext {
    const username = this.#client.settings.auth?.username;
    return { call: 'watch', endpoint: this.#rpc.channel.endpoint.url, scope: this.#keys.scope, username };
  }

  #requestProgress(): void {
    this.#guarded(() => this.#stream?.write({ progress_request: {} }));
  }

  #fail(why: Error | string): void {
    if (this.#hasEnded) return;
    const error = typeof why === 'string' ? registryError('REGISTRY_UNAVAILABLE', this.#context, why) : why;
    this.#finish({ reason: 'lost', error });
  }

  /**
   * An exception of the reader, or of a stream that is closing, ends this watch and not the
   * process.
   */
  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }
}
