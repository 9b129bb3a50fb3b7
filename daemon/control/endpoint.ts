// Definition of an endpoint of the control socket. A new one is a file that exports an Endpoint,
// and a line in endpoints.ts.
import { WeftError, type ControlErrorCode, type DoctorReportV1, type DrainStateV1 } from '../../api/index.ts';
import type { AnyRegistry } from '../../allocator/registry/registry.ts';
import type { RootLogger } from '../log/log.ts';
import type { ProbeHistory } from '../probe/probe-history.ts';
import type { NodeView } from '../view/node-view.ts';

/** The view of the node, and what requests may change. */
export interface ControlledNode extends NodeView {
  /** Takes a new level. */
  readonly log: RootLogger;
  /** Takes reservations and releases; unset until it is opened. */
  readonly registry: AnyRegistry | undefined;
  /** Takes what `weft doctor` found. */
  doctorReport: DoctorReportV1 | undefined;
  /** Takes whether this host takes containers; unset until the daemon has read it. */
  readonly drain?:
    { readonly state: DrainStateV1; readonly set: (state: DrainStateV1) => Promise<void> } | undefined;
  /** Takes the result of a ping as the last probe. */
  readonly probes: ProbeHistory;
}

export interface ControlRequest {
  readonly query: URLSearchParams;
  /** The JSON document of the body; `undefined` if there is none. */
  readonly body: unknown;
  /** Aborts when the client disconnects. */
  readonly signal: AbortSignal;
}

export type Reply =
  | { readonly json: unknown }
  | { readonly text: string; readonly contentType: string }
  /** One JSON document a line, until the iterable ends or the client disconnects. */
  | { readonly lines: AsyncIterable<unknown> };

export interface Endpoint {
  /** GET changes nothing. */
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Begins with `/v1/`, except `/metrics`, whose path is Prometheus' convention. */
  readonly path: string;
  /** One line for the list of `GET /v1`. */
  readonly summary: string;
  /** @throws ControlError for an answer other than 2xx; every other error becomes a 500. */
  readonly handle: (daemon: ControlledNode, request: ControlRequest) => Reply | Promise<Reply>;
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
