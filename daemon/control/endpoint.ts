// What an endpoint of the control socket is. A new one is a file that exports an Endpoint, and a line in endpoints.ts.
import { WeftError, type ControlErrorCode } from '../../api/index.ts';
import type { DaemonView } from '../view/node-view.ts';

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
export class ControlError extends WeftError {
  /** HTTP status. */
  readonly status: number;
  readonly reason: ControlErrorCode;

  constructor(status: number, reason: ControlErrorCode, message: string) {
    super('CONTROL_REQUEST_REJECTED', message);
    this.status = status;
    this.reason = reason;
  }
}
