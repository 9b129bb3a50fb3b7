// Endpoints, deadlines, authentication and cancellation of etcd calls. Stays with the endpoint that
// works and moves on when it does not; one call tries each endpoint at most once within its
// deadline. Knows no keys and no values.
import { performance } from 'node:perf_hooks';
import { RegistryError } from '../registry.ts';
import { EtcdAuth } from './auth.ts';
import { isTokenRejected, registryError, toRegistryError } from './errors.ts';
import { unlessAborted } from '../../../lib/abort.ts';
import { EtcdChannel, ConnectError, channelSetupError } from './channel.ts';
import type { EtcdSettings } from './options.ts';
import { EtcdRpc } from './rpc.ts';
import { readTlsMaterial } from './tls.ts';
import type { TlsMaterial } from './tls.ts';

/** What a call is, for its errors and for whether it may be sent twice. */
export interface EtcdCall {
  /** Name in messages. */
  readonly name: string;
  /** Key or directory that it touches. */
  readonly scope: string;
  /** Whether sending it again after a lost answer has the same result. */
  readonly isRepeatable: boolean;
}

export class EtcdClient {
  readonly settings: EtcdSettings;
  readonly #channels: (EtcdChannel | undefined)[];
  readonly #operations = new Set<AbortController>();
  readonly #closed = new AbortController();
  readonly #auth: EtcdAuth;
  #material: TlsMaterial;
  #current = 0;

  constructor(settings: EtcdSettings) {
    this.settings = settings;
    this.#channels = Array.from({ length: settings.endpoints.length });
    this.#material = readTlsMaterial(settings.tlsFiles);
    this.#auth = new EtcdAuth(settings, this.#closed.signal);
  }

  /**
   * Runs `send` on the first endpoint that can be reached, and on a further one if it fails there
   * and may be repeated.
   * @throws RegistryError, or the signal's reason
   */
  unary<T>(call: EtcdCall, signal: AbortSignal | undefined, send: (rpc: EtcdRpc) => Promise<T>): Promise<T> {
    return this.#operation(signal, (inner) => this.#tryEndpoints(call, inner, send));
  }

  /**
   * Runs `use` on a connected channel of the current endpoint with an RPC that has no deadline, for
   * a stream that stays.
   * @throws RegistryError if there is no connection, or the signal's reason
   */
  stream<T>(call: EtcdCall, signal: AbortSignal, use: (rpc: EtcdRpc) => Promise<T>): Promise<T> {
    return this.#operation(signal, async (inner) => {
      const timeoutMs = this.settings.requestTimeoutMs;
      const channel = await this.#connect(call, timeoutMs, inner);
      try {
        const token = await this.#auth.token(channel, timeoutMs, inner);
        return await use(new EtcdRpc({ channel, token, signal: inner, onCall: this.settings.onCall }));
      } catch (error) {
        inner.throwIfAborted();
        throw this.#failure(call, channel, error);
      }
    });
  }

  /** Makes the next call authenticate again. */
  forgetToken(): void {
    this.#auth.forget();
  }

  /**
   * Leaves the endpoint of `channel` if it is the current one; closes the channel if it was silent
   * since `sinceMs`.
   */
  markFailed(channel: EtcdChannel, sinceMs: number): void {
    const index = this.#channels.indexOf(channel);
    if (index < 0) return;
    if (index === this.#current) this.#current = (index + 1) % this.#channels.length;
    if (channel.lastActivityMs >= sinceMs) return;
    this.#channels[index] = undefined;
    channel.close();
  }

  /** Gives up every channel; the next call makes a new one. */
  reconnect(): void {
    for (const channel of this.#channels) channel?.close();
    this.#channels.fill(undefined);
  }

  /** Ends all calls with `REGISTRY_REJECTED` and closes the connections. */
  close(): void {
    const reason = closedError();
    this.#closed.abort(reason);
    for (const operation of this.#operations) operation.abort(reason);
    this.reconnect();
  }

  get isClosed(): boolean {
    return this.#closed.signal.aborted;
  }

  /** Gives `run` a signal that also aborts on close, and rejects at once when it does. */
  async #operation<T>(signal: AbortSignal | undefined, run: (inner: AbortSignal) => Promise<T>): Promise<T> {
    this.#closed.signal.throwIfAborted();
    signal?.throwIfAborted();
    const operation = new AbortController();
    const onAbort = (): void => operation.abort(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#operations.add(operation);
    try {
      return await unlessAborted(run(operation.signal), operation.signal);
    } finally {
      this.#operations.delete(operation);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  async #tryEndpoints<T>(
    call: EtcdCall,
    signal: AbortSignal,
    send: (rpc: EtcdRpc) => Promise<T>,
  ): Promise<T> {
    const endMs = performance.now() + this.settings.requestTimeoutMs;
    const failures: RegistryError[] = [];
    for (let triesLeft = this.#channels.length; triesLeft > 0; triesLeft--) {
      const budgetMs = (endMs - performance.now()) / triesLeft;
      if (budgetMs <= 0) break;
      const attempt = await this.#try(call, budgetMs, signal, send);
      if (!(attempt instanceof AttemptFailure)) return attempt;
      failures.push(attempt.error);
      if (!attempt.tryNext) break;
    }
    throw summary(call, failures);
  }

  async #try<T>(
    call: EtcdCall,
    budgetMs: number,
    signal: AbortSignal,
    send: (rpc: EtcdRpc) => Promise<T>,
  ): Promise<T | AttemptFailure> {
    const startMs = performance.now();
    let channel: EtcdChannel;
    try {
      channel = await this.#connect(call, budgetMs, signal);
    } catch (error) {
      signal.throwIfAborted();
      return new AttemptFailure(error as RegistryError, true);
    }
    const sentMs = performance.now();
    try {
      return await this.#send(channel, budgetMs - (sentMs - startMs), signal, send);
    } catch (error) {
      signal.throwIfAborted();
      const failure = this.#failure(call, channel, error, !call.isRepeatable);
      if (failure.isTransient) this.markFailed(channel, sentMs);
      return new AttemptFailure(failure, failure.isTransient && call.isRepeatable);
    }
  }

  /**
   * Sends with a token, and once more with a new one if the server rejects it (it did nothing
   * then).
   */
  async #send<T>(
    channel: EtcdChannel,
    budgetMs: number,
    signal: AbortSignal,
    send: (rpc: EtcdRpc) => Promise<T>,
  ): Promise<T> {
    const deadlineMs = Date.now() + Math.ceil(budgetMs);
    const { onCall } = this.settings;
    const sendWith = (token: string | undefined): Promise<T> =>
      send(new EtcdRpc({ channel, deadlineMs, token, signal, onCall }));
    const used = this.#auth.current;
    try {
      return await sendWith(await this.#auth.token(channel, budgetMs, signal));
    } catch (error) {
      // A token of this very call is fresh: its rejection is final.
      if (used === undefined || !isTokenRejected(error)) throw error;
      this.#auth.forget(used);
      return await sendWith(await this.#auth.token(channel, deadlineMs - Date.now(), signal));
    }
  }

  async #connect(call: EtcdCall, timeoutMs: number, signal: AbortSignal): Promise<EtcdChannel> {
    const startMs = performance.now();
    const channel = this.#channel(this.#current);
    try {
      await channel.ready(timeoutMs, signal);
      return channel;
    } catch (error) {
      signal.throwIfAborted();
      this.markFailed(channel, startMs);
      throw this.#failure(call, channel, error);
    }
  }

  #channel(index: number): EtcdChannel {
    const existing = this.#channels[index];
    if (existing !== undefined && !existing.isBroken) return existing;
    existing?.close();
    const endpoint = this.settings.endpoints[index];
    if (endpoint === undefined) throw new RangeError(`No etcd endpoint ${index}`);
    this.#refreshMaterial();
    try {
      return (this.#channels[index] = new EtcdChannel(endpoint, this.#material));
    } catch (error) {
      throw channelSetupError(endpoint, error);
    }
  }

  /**
   * Certificates may have been renewed. Half-written ones must not break what the old ones can
   * still do.
   */
  #refreshMaterial(): void {
    try {
      this.#material = readTlsMaterial(this.settings.tlsFiles);
    } catch {
      // The last good material stays; if the server refuses it, its diagnosis says so.
    }
  }

  #failure(call: EtcdCall, channel: EtcdChannel, error: unknown, mayHaveApplied = false): RegistryError {
    const username = this.settings.auth?.username;
    const context = { call: call.name, scope: call.scope, endpoint: channel.endpoint.url, username };
    if (!(error instanceof ConnectError)) return toRegistryError(error, { ...context, mayHaveApplied });
    return registryError(error.fault.code, context, error.fault.reason, error.fault.remedy);
  }
}

class AttemptFailure {
  readonly error: RegistryError;
  readonly tryNext: boolean;

  constructor(error: RegistryError, tryNext: boolean) {
    this.error = error;
    this.tryNext = tryNext;
  }
}

/** One error for all endpoints tried: transient if trying one of them again may help. */
function summary(call: EtcdCall, failures: readonly RegistryError[]): RegistryError {
  const [first] = failures;
  if (first === undefined)
    return new RegistryError(
      'REGISTRY_UNAVAILABLE',
      `etcd ${call.name} failed: no time left to try an endpoint`,
    );
  if (failures.length === 1) return first;
  const decisive = failures.find((failure) => failure.isTransient) ?? first;
  return new RegistryError(decisive.code, failures.map((failure) => failure.message).join(' | '), {
    cause: new AggregateError(failures),
  });
}

function closedError(): RegistryError {
  return new RegistryError('REGISTRY_REJECTED', 'The etcd registry was closed');
}
