// Documents of the metrics server that its page shows beside status and peers.
import type { CONTROL_VERSION } from './version.ts';
import type { EventV1 } from './events.ts';

/** `GET /history.json`: the last hour in equal steps, oldest first; `null`: unknown. */
export interface HistoryV1 {
  readonly version: typeof CONTROL_VERSION;
  /** End of the last step. */
  readonly at: string;
  readonly stepSec: number;
  /** Overlay traffic of this host, in bytes a second. */
  readonly txBytesPerSec: readonly (number | null)[];
  readonly rxBytesPerSec: readonly (number | null)[];
  /** Mean round trip of the continuous echoes. */
  readonly rttMs: readonly (number | null)[];
  /** Peers that did not answer on the overlay at the end of the step. */
  readonly silentPeers: readonly (number | null)[];
  /** Objects that another process changed or removed. */
  readonly drift: readonly (number | null)[];
}

/** `GET /events.json`: the last events, oldest first, and what `weft doctor` last found. */
export interface ActivityV1 {
  readonly version: typeof CONTROL_VERSION;
  readonly events: readonly EventV1[];
  /** Unset until `weft doctor` has run with all its checks since the start of the daemon. */
  readonly doctor?: DoctorReportV1;
}

/** `PUT /v1/doctor`: what `weft doctor` found, kept until the daemon ends. */
export interface DoctorReportV1 {
  readonly at: string;
  readonly findings: readonly FindingV1[];
}

export interface FindingV1 {
  readonly check: string;
  readonly severity: 'warning' | 'error';
  readonly title: string;
  readonly evidence: readonly string[];
  readonly impact: string;
  readonly fix: string;
}
