// Metrics of probes: sums over the last probe of each peer, and the results of the checksum probes.
import type { ProbeSummary } from '../probe/probe-history.ts';
import { secondsOf, single, stateSet, type Metric, type ScrapeContext } from './metric.ts';

export const PROBE_METRICS: readonly Metric[] = [
  of('weft_probe_peers', 'Peers probed', ({ peers }) => peers),
  of('weft_probe_silent_peers', 'Peers without any reply to the last probe', ({ noReply }) => noReply),
  of('weft_probe_loss_ratio', 'Share of echoes lost in the last probe of each peer', ({ lost, sent }) =>
    sent === 0 ? undefined : lost / sent,
  ),
  of('weft_probe_mean_rtt_seconds', 'Mean over the peers of the mean round trip', ({ avgMs }) =>
    secondsOf(avgMs),
  ),
  of('weft_probe_worst_rtt_seconds', 'Largest mean round trip of any peer', ({ maxMs }) => secondsOf(maxMs)),
  {
    name: 'weft_checksum_offload_found',
    type: 'gauge',
    help: 'Checksum offload below an overlay device as probed: 1 for the current result; absent where the network config decides',
    labels: ['device', 'found'],
    read: ({ status }) =>
      (status.network?.checksumOffload ?? []).flatMap(({ device, found }) =>
        stateSet('found', ['unknown', 'good', 'suspect', 'bad', 'off'], found).map((sample) => ({
          ...sample,
          labels: { device, ...sample.labels },
        })),
      ),
  },
];

function of(name: string, help: string, pick: (summary: ProbeSummary) => number | undefined): Metric {
  return { name, type: 'gauge', help, read: (context) => single(pick(summaryOf(context))) };
}

function summaryOf({ daemon: { leaseManager, probes } }: ScrapeContext): ProbeSummary {
  return probes.summary((key) => leaseManager?.peers.has(key) === true);
}
