// Client of the daemon's control socket. Every failure becomes one line with the remedy.
import { WeftError } from '../../api/errors.ts';
import { CONTROL_VERSION } from '../../api/index.ts';
import type { ErrorV1 } from '../../api/index.ts';
import type { OptionSpec } from '../command-spec.ts';
import { requestHttp, type HttpResponse } from './http-client.ts';

export const DEFAULT_SOCKET = '/run/weft/weft.sock';

export const SOCKET_OPTION = {
  type: 'string',
  value: 'PATH',
  help: `control socket of the daemon (default: $WEFT_SOCKET, or ${DEFAULT_SOCKET})`,
} as const satisfies OptionSpec;

export const JSON_OPTION = {
  type: 'boolean',
  help: 'print JSON (docs/reference/control-socket.md)',
} as const satisfies OptionSpec;

/** Limit of the time to the first byte of the answer. */
const ANSWER_TIMEOUT_MS = 3000;

/** `timeout`: it is stopped or overloaded. `denied`: this user has no rights on the socket. */
export type NoDaemonReason = 'not-running' | 'timeout' | 'denied' | 'not-weft' | 'failed';

/** No daemon answers. The message names the remedy. */
export class NoDaemonError extends WeftError {
  readonly reason: NoDaemonReason;

  constructor(reason: NoDaemonReason, message: string) {
    super('DAEMON_UNREACHABLE', message);
    this.reason = reason;
  }
}

/** The daemon rejects the request. */
export class RejectedError extends WeftError {
  /** The code of the answer, for example `not-found`. */
  readonly rejection: string;

  constructor({ code, message }: ErrorV1['error']) {
    super('CONTROL_REQUEST_REJECTED', message);
    this.rejection = code;
  }
}

export interface RequestOptions {
  readonly method?: 'GET' | 'POST' | 'PUT';
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Limit of the time to the first byte of the answer; default 3000. */
  readonly timeoutMs?: number;
  /** Ends the request with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Path of the socket by `--socket` and the environment. */
export function socketPath(option: string | undefined, env = process.env): string {
  return option ?? (env['WEFT_SOCKET'] || DEFAULT_SOCKET);
}

export class ControlClient {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** The JSON document at `/v1/NAME`. @throws NoDaemonError or RejectedError */
  async request<Answer>(name: string, options: RequestOptions = {}): Promise<Answer> {
    const { status, body } = await this.#open(name, options);
    const document = parseAnswer(await this.#textOf(body), this.path);
    if (status === 200) return document as Answer;
    throw new RejectedError((document as ErrorV1).error);
  }

  /** The text at `/v1/NAME`, unparsed. @throws as {@link request} */
  text(name: string): Promise<string> {
    return this.textAt(pathOf(name));
  }

  /** The text at `path`, unparsed. @throws as {@link request} */
  async textAt(path: string): Promise<string> {
    const { status, body } = await this.#openAt(path, {});
    const text = await this.#textOf(body);
    if (status === 200) return text;
    throw new RejectedError((parseAnswer(text, this.path) as ErrorV1).error);
  }

  /** The JSON documents of a stream at `/v1/NAME`, until it ends. @throws as {@link request} */
  async *follow<Line>(name: string, options: RequestOptions = {}): AsyncGenerator<Line> {
    const { status, body } = await this.#open(name, options);
    if (status !== 200)
      throw new RejectedError((parseAnswer(await this.#textOf(body), this.path) as ErrorV1).error);
    let rest = '';
    for await (const chunk of body) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line !== '') yield JSON.parse(line) as Line;
    }
  }

  #open(name: string, options: RequestOptions): Promise<HttpResponse> {
    return this.#openAt(pathOf(name), options);
  }

  async #openAt(path: string, options: RequestOptions): Promise<HttpResponse> {
    const { method = 'GET', body, timeoutMs = ANSWER_TIMEOUT_MS, signal } = options;
    const message = `The daemon on ${this.path} does not answer within ${timeoutMs / 1000} s: it is stopped or overloaded; check its log`;
    try {
      return await requestHttp({
        socketPath: this.path,
        method,
        path,
        body: body === undefined ? '' : JSON.stringify(body),
        timeoutMs,
        timeoutError: new NoDaemonError('timeout', message),
        signal,
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw explain(error as Error, this.path);
    }
  }

  async #textOf(body: AsyncIterable<string>): Promise<string> {
    try {
      let text = '';
      for await (const chunk of body) text += chunk;
      return text;
    } catch (error) {
      throw explain(error as Error, this.path);
    }
  }
}

function pathOf(name: string): string {
  return `/v${CONTROL_VERSION}${name === '' ? '' : `/${name}`}`;
}

function parseAnswer(text: string, path: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new NoDaemonError(
      'not-weft',
      `What answers on ${path} is no weft daemon: ${JSON.stringify(text.slice(0, 60))}`,
    );
  }
}

const START = 'start it (weft daemon --help), or name its socket with --socket';

function explain(error: NodeJS.ErrnoException, path: string): NoDaemonError {
  if (error instanceof NoDaemonError) return error;
  switch (error.code) {
    case 'ENOENT':
      return new NoDaemonError('not-running', `No weft daemon on this host: there is no ${path}; ${START}`);
    case 'ECONNREFUSED':
      return new NoDaemonError(
        'not-running',
        `No weft daemon on this host: the one that made ${path} is gone; ${START}`,
      );
    case 'EACCES':
      return new NoDaemonError('denied', `Permission denied on ${path}: run as root`);
    case 'EPROTO':
      return new NoDaemonError('not-weft', `What answers on ${path} is no weft daemon: ${error.message}`);
    case undefined:
    default:
      return new NoDaemonError('failed', `Cannot send a request to the daemon on ${path}: ${error.message}`);
  }
}
