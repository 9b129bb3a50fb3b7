// Endpoints, deadlines, authentication and cancellation of etcd calls. Stays with the endpoint that works and moves on
// when it does not; one call tries each endpoint at most once within its deadline. Knows no keys and no values.
import { performance } from 'node:perf_hooks';
import { AuthClient } from 'etcd3/lib/rpc.js';
import { RegistryError } from '../registry.ts';
import { GRPC, grpcStatus, isTokenRefused, registryError, toRegistryError } from './errors.ts';
import { EtcdChannel, ConnectError, linkSetupError } from './link.ts';
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
  readonly #links: (EtcdChannel | undefined)[];
  readonly #operations = new Set<AbortController>();
  readonly #closed = new AbortController();
  #material: TlsMaterial;
  #current = 0;
  #token: Promise<string | undefined> | undefined;

  constructor(settings: EtcdSettings) {
    this.settings = settings;
    this.#links = Array.from({ length: settings.endpoints.length });
    this.#material = readTlsMaterial(settings.tlsFiles);
  }

  /**
   * Runs `send` on the first endpoint that can be reached, and on a further one if it fails there and may be repeated.
   * @throws RegistryError, or the signal's reason
   */
  unary<T>(call: EtcdCall, signal: AbortSignal | undefined, send: (rpc: EtcdRpc) => Promise<T>): Promise<T> {
    return this.#operation(signal, (inner) => this.#tryEndpoints(call, inner, send));
  }

  /**
   * Runs `use` on a connected link of the current endpoint with an RPC that has no deadline, for a stream that stays.
   * @throws RegistryError if there is no connection, or the signal's reason
   */
  stream<T>(call: EtcdCall, signal: AbortSignal, use: (rpc: EtcdRpc) => Promise<T>): Promise<T> {
    return this.#operation(signal, async (inner) => {
      const timeoutMs = this.settings.requestTimeoutMs;
      const link = await this.#connect(call, timeoutMs, inner);
      try {
        const token = await this.#tokenFor(link, timeoutMs, inner);
        return await use(new EtcdRpc({ link, token, signal: inner, onCall: this.settings.onCall }));
      } catch (error) {
        inner.throwIfAborted();
        throw this.#failure(call, link, error);
      }
    });
  }

  /** Makes the next call authenticate anew. */
  forgetToken(): void {
    this.#token = undefined;
  }

  /** Leaves the endpoint of `link` if it is the current one; gives the link up if it was silent since `sinceMs`. */
  leave(link: EtcdChannel, sinceMs: number): void {
    const index = this.#links.indexOf(link);
    if (index < 0) return;
    if (index === this.#current) this.#current = (index + 1) % this.#links.length;
    if (link.lastActivityMs >= sinceMs) return;
    this.#links[index] = undefined;
    link.close();
  }

  /** Gives up every link; the next call makes a new one. */
  reconnect(): void {
    for (const link of this.#links) link?.close();
    this.#links.fill(undefined);
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
    for (let triesLeft = this.#links.length; triesLeft > 0; triesLeft--) {
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
    let link: EtcdChannel;
    try {
      link = await this.#connect(call, budgetMs, signal);
    } catch (error) {
      signal.throwIfAborted();
      return new AttemptFailure(error as RegistryError, true);
    }
    const sentMs = performance.now();
    try {
      return await this.#send(link, budgetMs - (sentMs - startMs), signal, send);
    } catch (error) {
      signal.throwIfAborted();
      const failure = this.#failure(call, link, error, !call.isRepeatable);
      if (failure.isTransient) this.leave(link, sentMs);
      return new AttemptFailure(failure, failure.isTransient && call.isRepeatable);
    }
  }

  /** Sends with a token, and once more with a new one if the server refuses it (it did nothing then). */
  async #send<T>(
    link: EtcdChannel,
    budgetMs: number,
    signal: AbortSignal,
    send: (rpc: EtcdRpc) => Promise<T>,
  ): Promise<T> {
    const deadlineMs = Date.now() + Math.ceil(budgetMs);
    const { onCall, auth } = this.settings;
    const sendWith = (token: string | undefined): Promise<T> =>
      send(new EtcdRpc({ link, deadlineMs, token, signal, onCall }));
    const used = this.#token;
    try {
      return await sendWith(await this.#tokenFor(link, budgetMs, signal));
    } catch (error) {
      // A token of this very call is fresh: refusing it is a verdict.
      if (auth === undefined || used === undefined || !isTokenRefused(error)) throw error;
      if (this.#token === used) this.#token = undefined;
      return await sendWith(await this.#tokenFor(link, deadlineMs - Date.now(), signal));
    }
  }

  async #connect(call: EtcdCall, timeoutMs: number, signal: AbortSignal): Promise<EtcdChannel> {
    const startMs = performance.now();
    const link = this.#link(this.#current);
    try {
      await link.ready(timeoutMs, signal);
      return link;
    } catch (error) {
      signal.throwIfAborted();
      this.leave(link, startMs);
      throw this.#failure(call, link, error);
    }
  }

  #link(index: number): EtcdChannel {
    const existing = this.#links[index];
    if (existing !== undefined && !existing.isBroken) return existing;
    existing?.close();
    const endpoint = this.settings.endpoints[index];
    if (endpoint === undefined) throw new RangeError(`No etcd endpoint ${index}`);
    this.#refreshMaterial();
    try {
      return (this.#links[index] = new EtcdChannel(endpoint, this.#material));
    } catch (error) {
      throw linkSetupError(endpoint, error);
    }
  }

  /** Certificates may have been renewed. Half-written ones must not break what the old ones can still do. */
  #refreshMaterial(): void {
    try {
      this.#material = readTlsMaterial(this.settings.tlsFiles);
    } catch {
      // The last good material stays; if the server refuses it, its diagnosis says so.
    }
  }

  #tokenFor(link: EtcdChannel, budgetMs: number, signal: AbortSignal): Promise<string | undefined> {
    if (this.settings.auth === undefined) return Promise.resolve(undefined);
    if (this.#token === undefined) {
      const token = this.#authenticate(link, budgetMs);
      this.#token = token;
      token.catch(() => {
        if (this.#token === token) this.#token = undefined;
      });
    }
    // Several calls share one authentication; one of them being aborted must not end it for the others.
    return unlessAborted(this.#token, signal);
  }

  async #authenticate(link: EtcdChannel, budgetMs: number): Promise<string | undefined> {
    const { auth, onCall } = this.settings;
    if (auth === undefined) return undefined;
    const deadlineMs = Date.now() + Math.ceil(budgetMs);
    const rpc = new EtcdRpc({ link, deadlineMs, signal: this.#closed.signal, onCall });
    try {
      return (await new AuthClient(rpc).authenticate({ name: auth.username, password: auth.password })).token;
    } catch (error) {
      // Authentication is switched off in this etcd: it takes calls without a token.
      if (grpcStatus(error)?.code === GRPC.FAILED_PRECONDITION) return undefined;
      throw error;
    }
  }

  #failure(call: EtcdCall, link: EtcdChannel, error: unknown, mayHaveApplied = false): RegistryError {
    const username = this.settings.auth?.username;
    const context = { call: call.name, scope: call.scope, endpoint: link.endpoint.url, username };
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

/** Settles as `promise` does, or rejects with the signal's reason as soon as it aborts. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
