// What an endpoint of the control socket is. A new one is a file that exports an Endpoint, and a line in endpoints.ts.
import type { DaemonView } from './daemon-view.ts';

export interface ControlRequest {
  readonly query: URLSearchParams;
  /** The JSON document of the body; `undefined` if there is none. */
  readonly body: unknown;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
}

export type Reply =
  | { readonly json: unknown }
  | { readonly text: string; readonly contentType: string }
  /** One JSON document a line, for as long as there are any and somebody reads. */
  | { readonly lines: AsyncIterable<unknown> };

export interface Endpoint {
  /** GET must change nothing. */
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Begins with `/v1/`, but for `/metrics`, which others name. */
  readonly path: string;
  /** One line for the list that `GET /v1` gives. */
  readonly summary: string;
  /** @throws ControlError to answer with that; anything else becomes a 500. */
  readonly handle: (daemon: DaemonView, request: ControlRequest) => Reply | Promise<Reply>;
}

/** An answer other than 2xx. */
export class ControlError extends Error {
  readonly status: number;
  /** For programs, for example `not-found`. */
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = 'ControlError';
    this.status = status;
    this.code = code;
  }
}
