// Metrics on probes: the last ones of peers, where any were probed, in sums over all of them, and those of checksums.
import type { ProbeSummary } from '../probe/probe-history.ts';
import { oneOf, only, type Family, type Look } from './metric.ts';

export const PROBE_FAMILIES: readonly Family[] = [
  of('weft_probe_peers', 'Peers that were probed', ({ peers }) => peers),
  of(
    'weft_probe_silent_peers',
    'Of these, those that answered nothing at the last probe',
    ({ noReply }) => noReply,
  ),
  of(
    'weft_probe_loss_ratio',
    'Echoes lost of those sent, in the last probes of all peers',
    ({ lost, sent }) => (sent === 0 ? undefined : lost / sent),
  ),
  of('weft_probe_mean_rtt_seconds', 'Mean of the mean round trips of peers', ({ avgMs }) => secondsOf(avgMs)),
  of('weft_probe_worst_rtt_seconds', 'Largest mean round trip of a peer', ({ maxMs }) => secondsOf(maxMs)),
  {
    name: 'weft_checksum_offload_found',
    type: 'gauge',
    help: 'What probes found of checksums that are left to the device below an overlay device: 1 for what holds; absent where the network config decides',
    labels: ['device', 'found'],
    read: ({ status }) =>
      (status.network?.checksumOffload ?? []).flatMap(({ device, found }) =>
        oneOf('found', ['unknown', 'good', 'suspect', 'bad', 'off'], found).map((sample) => ({
          ...sample,
          labels: { device, ...sample.labels },
        })),
      ),
  },
];

function of(name: string, help: string, pick: (summary: ProbeSummary) => number | undefined): Family {
  return { name, type: 'gauge', help, read: (look) => only(pick(summaryOf(look))) };
}

function summaryOf({ daemon: { keeper, probes } }: Look): ProbeSummary {
  return probes.summary((key) => keeper?.peers.has(key) === true);
}

function secondsOf(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}
