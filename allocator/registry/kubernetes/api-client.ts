// Requests to an API server over HTTP/1.1 with keep-alive: several servers in turn, credentials read
// again each minute, on 401 and when a certificate is not trusted, Retry-After honoured. Environment
// proxies are not used. It retries nothing but a request that reached no server or met an old token.
import { request as requestHttp, type IncomingMessage } from 'node:http';
import { Agent, request as requestHttps } from 'node:https';
import { createGunzip } from 'node:zlib';
import { pipeline, type Readable } from 'node:stream';
import { delay, type Clock } from '../../../lib/clock.ts';
import { RegistryError } from '../registry.ts';
import type { ClusterAccess, Credentials } from './access.ts';
import { readChunks } from './body-chunks.ts';
import { CredentialCache } from './credential-cache.ts';
import {
  allUnreached,
  ApiError,
  connectionError,
  isServerFault,
  isUntrusted,
  type ApiStatus,
} from './errors.ts';

export interface ApiRequest {
  readonly method?: 'GET' | 'PATCH' | 'POST' | 'DELETE';
  /** With query. */
  readonly path: string;
  /** Media type of the answer; default JSON. */
  readonly accept?: string;
  readonly contentType?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /**
   * Longest wait for the head of the answer, and for each part of the text that
   * {@link ApiClient.json} reads, in ms; default 10 s.
   */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface ApiAnswer {
  /** Body, decompressed. It is to be read or destroyed. */
  readonly body: Readable;
  /** Server that answered. */
  readonly server: string;
}

const TIMEOUT_MS = 10_000;
/** A longer Retry-After is cut. */
const MAX_RETRY_AFTER_MS = 60_000;
/** Bound of the body of a single object, and of an error. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/**
 * A list of 5,000 nodes is 57 MB of text. malloc gives buffers of this size back to the kernel once
 * they are free; those of zlib's default, 16 KiB, stay in its heap for good.
 */
const GUNZIP = { chunkSize: 1024 * 1024 } as const;

export interface ApiClientOptions {
  readonly access: ClusterAccess;
  readonly clock: Clock;
  /** Sent as User-Agent. */
  readonly userAgent: string;
}

export class ApiClient {
  readonly #options: ApiClientOptions;
  #server = 0;
  readonly #credentials: CredentialCache;
  #agent: Agent | undefined;
  #earliestMs = -Infinity;
  #isClosed = false;

  constructor(options: ApiClientOptions) {
    this.#options = options;
    this.#credentials = new CredentialCache({ ...options, onConnectionOld: () => this.reconnect() });
  }

  /** When the server wants the next request at the earliest, on the clock given. */
  get earliestMs(): number {
    return this.#earliestMs;
  }

  /** Reads one object. @throws RegistryError */
  async json<T>(request: ApiRequest): Promise<T> {
    const { body, server } = await this.send(request);
    const limit = { server, silenceMs: request.timeoutMs ?? TIMEOUT_MS };
    const text = await readText(body, limit).catch((error: unknown) => {
      request.signal?.throwIfAborted();
      throw connectionError(callOf(request), server, error);
    });
    try {
      return JSON.parse(text) as T;
    } catch (error) {
      throw new RegistryError('REGISTRY_UNAVAILABLE', `${callOf(request)}: the answer is not JSON`, {
        cause: error,
      });
    }
  }

  /** Resolves with the head of a 2xx answer. @throws RegistryError; the signal's reason */
  async send(request: ApiRequest): Promise<ApiAnswer> {
    try {
      return await this.#sendToAny(request);
    } catch (error) {
      const isDenied = error instanceof ApiError && error.status === 401;
      if (!isDenied && !isUntrusted(error)) throw error;
      // A token that was replaced, or whose pod is gone; an authority that was replaced.
      if (!(await this.#credentials.renew(request.signal))) throw error;
      return this.#sendToAny(request);
    }
  }

  /** Drops connections, which may use an address that this host lost. */
  reconnect(): void {
    this.#agent?.destroy();
    this.#agent = undefined;
  }

  close(): void {
    this.#isClosed = true;
    this.reconnect();
  }

  get #current(): string {
    const { servers } = this.#options.access;
    return servers[this.#server % servers.length]!;
  }

  /** Servers that cannot be reached or do not work are passed over; the one that answers stays in use. */
  async #sendToAny(request: ApiRequest): Promise<ApiAnswer> {
    const { servers } = this.#options.access;
    const failures: RegistryError[] = [];
    for (;;) {
      try {
        return await this.#sendOnce(request);
      } catch (error) {
        request.signal?.throwIfAborted();
        const { method = 'GET' } = request;
        if (!(error instanceof RegistryError) || this.#isClosed || !isServerFault(error, method)) throw error;
        // The watch of a server that answers goes on.
        if (error instanceof ApiError && servers.length === 1) throw error;
        this.#server++;
        this.reconnect();
        failures.push(error);
        if (failures.length >= servers.length) throw allUnreached(failures);
      }
    }
  }

  async #sendOnce(request: ApiRequest): Promise<ApiAnswer> {
    if (this.#isClosed)
      throw new RegistryError('REGISTRY_REJECTED', `${callOf(request)}: the client is closed`);
    await this.#awaitTurn(request.signal);
    const credentials = await this.#credentials.read(request.signal);
    const server = this.#current;
    const response = await this.#open(request, server, credentials);
    const isGzip = response.headers['content-encoding'] === 'gzip';
    // A connection that breaks ends the reader, and a reader that stops ends the connection.
    const body = isGzip ? pipeline(response, createGunzip(GUNZIP), () => undefined) : response;
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return { body, server };
    const retryAfterMs = this.#noteRetryAfter(response);
    const limit = { server, silenceMs: request.timeoutMs ?? TIMEOUT_MS };
    throw new ApiError(callOf(request), { ...(await readStatus(body, limit)), code: status }, retryAfterMs);
  }

  /** A busy server names the time of the next request. */
  async #awaitTurn(signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.#options;
    const delayMs = this.#earliestMs - clock.nowMs();
    if (delayMs > 0) await delay(clock, delayMs, signal);
  }

  #open(request: ApiRequest, server: string, credentials: Credentials): Promise<IncomingMessage> {
    const {
      accept = 'application/json',
      body,
      contentType,
      method = 'GET',
      path,
      signal,
      timeoutMs = TIMEOUT_MS,
    } = request;
    const { token } = credentials;
    const isTls = server.startsWith('https:');
    const payload = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const onFailure = (error: unknown): void =>
        reject(
          signal?.aborted === true
            ? (signal.reason as Error)
            : connectionError(callOf(request), server, error),
        );
      const outgoing = (isTls ? requestHttps : requestHttp)(`${server}${path}`, {
        method,
        headers: {
          accept,
          'accept-encoding': 'gzip',
          'user-agent': this.#options.userAgent,
          ...(payload !== undefined && {
            'content-type': contentType ?? 'application/json',
            'content-length': Buffer.byteLength(payload),
          }),
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        ...(isTls && { agent: this.#agentFor(credentials) }),
        ...(signal && { signal }),
      });
      const timer = setTimeout(
        () => outgoing.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)),
        timeoutMs,
      );
      outgoing.once('response', (response) => {
        clearTimeout(timer);
        resolve(response);
      });
      outgoing.once('error', (error) => {
        clearTimeout(timer);
        onFailure(error);
      });
      outgoing.end(payload);
    });
  }

  #agentFor({ certificate, key }: Credentials): Agent {
    const { isTlsVerified, tlsServerName } = this.#options.access;
    const authority = this.#credentials.authority;
    this.#agent ??= new Agent({
      keepAlive: true,
      rejectUnauthorized: isTlsVerified,
      ...(authority !== undefined && { ca: authority }),
      ...(certificate !== undefined && { cert: certificate }),
      ...(key !== undefined && { key }),
      ...(tlsServerName !== undefined && { servername: tlsServerName }),
    });
    return this.#agent;
  }

  #noteRetryAfter({ headers }: IncomingMessage): number | undefined {
    const seconds = Number(headers['retry-after']);
    if (!Number.isFinite(seconds) || seconds <= 0) return undefined;
    const delayMs = Math.min(seconds * 1000, MAX_RETRY_AFTER_MS);
    this.#earliestMs = this.#options.clock.nowMs() + delayMs;
    return delayMs;
  }
}

/** For messages: without the query, which repeats in every one. */
function callOf({ method = 'GET', path }: ApiRequest): string {
  return `${method} ${path.split('?')[0]}`;
}

type ReadLimit = Parameters<typeof readChunks>[1];

async function readStatus(body: Readable, limit: ReadLimit): Promise<ApiStatus> {
  try {
    return (JSON.parse(await readText(body, limit)) ?? {}) as ApiStatus;
  } catch {
    return {};
  }
}

/** @throws if the text exceeds its bound, breaks off or stops. */
async function readText(body: Readable, limit: ReadLimit): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of readChunks(body, limit)) {
    bytes += part.length;
    if (bytes > MAX_BODY_BYTES) throw new Error(`the answer exceeds ${MAX_BODY_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
