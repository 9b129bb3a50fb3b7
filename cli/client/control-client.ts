// Asks the daemon on its control socket. Every way in which it can stay silent becomes one line with the remedy.
import { CONTROL_VERSION } from '../../api/types.ts';
import type { ErrorV1 } from '../../api/types.ts';
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
  help: 'JSON, as docs/control-socket.md describes it',
} as const satisfies OptionSpec;

/** How long an answer may take to begin. */
const ANSWER_TIMEOUT_MS = 3000;

/** Nobody answers. The message has the remedy. */
export class NoDaemonError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NoDaemonError';
  }
}

/** The daemon answered that it will not. */
export class RefusedError extends Error {
  /** For programs, for example `not-found`. */
  readonly refusal: string;

  constructor({ code, message }: ErrorV1['error']) {
    super(message);
    this.name = 'RefusedError';
    this.refusal = code;
  }
}

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'PUT';
  /** Sent as JSON. */
  readonly body?: unknown;
  /** How long the answer may take to begin; default 3000. */
  readonly timeoutMs?: number;
}

/** Which socket `--socket` and the environment mean. */
export function socketPath(option: string | undefined, env = process.env): string {
  return option ?? (env['WEFT_SOCKET'] || DEFAULT_SOCKET);
}

export class ControlClient {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** The JSON document at `/v1/NAME`. @throws NoDaemonError or RefusedError */
  async ask<Answer>(name: string, ask: Ask = {}): Promise<Answer> {
    const { status, body } = await this.#open(name, ask);
    const document = parseAnswer(await this.#textOf(body), this.path);
    if (status === 200) return document as Answer;
    throw new RefusedError((document as ErrorV1).error);
  }

  /** The text at `/v1/NAME`, whatever it is. @throws as {@link ask} */
  async text(name: string): Promise<string> {
    const { status, body } = await this.#open(name, {});
    const text = await this.#textOf(body);
    if (status === 200) return text;
    throw new RefusedError((parseAnswer(text, this.path) as ErrorV1).error);
  }

  /** The JSON documents of a stream at `/v1/NAME`, as they come, until it ends. @throws as {@link ask} */
  async *follow<Line>(name: string, ask: Ask = {}): AsyncGenerator<Line> {
    const { status, body } = await this.#open(name, ask);
    if (status !== 200)
      throw new RefusedError((parseAnswer(await this.#textOf(body), this.path) as ErrorV1).error);
    let rest = '';
    for await (const chunk of body) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line !== '') yield JSON.parse(line) as Line;
    }
  }

  async #open(name: string, ask: Ask): Promise<HttpResponse> {
    const { method = 'GET', body, timeoutMs = ANSWER_TIMEOUT_MS } = ask;
    const message = `The daemon on ${this.path} does not answer within ${timeoutMs / 1000} s: it is stopped or overloaded; look at its log`;
    try {
      return await requestHttp({
        socketPath: this.path,
        method,
        path: `/v${CONTROL_VERSION}${name === '' ? '' : `/${name}`}`,
        body: body === undefined ? '' : JSON.stringify(body),
        timeoutMs,
        timeoutError: new NoDaemonError(message),
      });
    } catch (error) {
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

function parseAnswer(text: string, path: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new NoDaemonError(
      `What answers on ${path} is no weft daemon: ${JSON.stringify(text.slice(0, 60))}`,
    );
  }
}

const START = 'start it (weft daemon --help), or name its socket with --socket';

function explain(error: NodeJS.ErrnoException, path: string): NoDaemonError {
  if (error instanceof NoDaemonError) return error;
  if (error.code === 'ENOENT')
    return new NoDaemonError(`No weft daemon on this host: there is no ${path}; ${START}`);
  if (error.code === 'ECONNREFUSED')
    return new NoDaemonError(`No weft daemon on this host: the one that made ${path} is gone; ${START}`);
  if (error.code === 'EACCES')
    return new NoDaemonError(`Permission denied to ask the daemon on ${path}: run as root`);
  if (error.code === 'EPROTO')
    return new NoDaemonError(`What answers on ${path} is no weft daemon: ${error.message}`);
  return new NoDaemonError(`Cannot ask the daemon on ${path}: ${error.message}`);
}
