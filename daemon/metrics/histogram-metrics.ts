// Histograms: how many values were at most so large. Without labels, so that each is some dozen
// series, however many peers there are.
import type { HistogramSnapshot } from '../../lib/histogram.ts';
import type { ScrapeContext } from './metric.ts';

export interface HistogramMetric {
  /** Prometheus' conventions: base units. */
  readonly name: string;
  /** One sentence without a full stop. */
  readonly help: string;
  /** In base units; unset while there is nothing to count. */
  readonly read: (context: ScrapeContext) => HistogramSnapshot | undefined;
}

export const HISTOGRAMS: readonly HistogramMetric[] = [
  {
    name: 'weft_reconcile_duration_seconds',
    help: 'Durations of reconcile runs',
    read: ({ daemon }) => inSeconds(daemon.reconciler?.status().counters.durations),
  },
  {
    name: 'weft_liveness_rtt_seconds',
    help: 'Round trips of the continuous echoes to all peers, each answered echo once',
    read: ({ daemon, status }) =>
      status.peers.liveness === undefined ? undefined : inSeconds(daemon.liveness?.rtts()),
  },
];

function inSeconds(ms: HistogramSnapshot | undefined): HistogramSnapshot | undefined {
  if (ms === undefined) return undefined;
  return { ...ms, bounds: ms.bounds.map((bound) => bound / 1000), sum: ms.sum / 1000 };
}
