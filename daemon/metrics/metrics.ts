// All metrics, one line for each file of them. Values of single peers are summed up: labels never
// name a peer.
import type { Metric } from './metric.ts';
import { HOOK_METRICS } from './hook-metrics.ts';
import { HOST_METRICS } from './host-metrics.ts';
import { KERNEL_METRICS } from './kernel-metrics.ts';
import { PATH_METRICS } from './path-metrics.ts';
import { PROBE_METRICS } from './probe-metrics.ts';
import { PROCESS_METRICS } from './process-metrics.ts';
import { REGISTRY_METRICS } from './registry-metrics.ts';
import { WIREGUARD_METRICS } from './wireguard-metrics.ts';

export const METRICS: readonly Metric[] = [
  ...HOST_METRICS,
  ...REGISTRY_METRICS,
  ...KERNEL_METRICS,
  ...PATH_METRICS,
  ...WIREGUARD_METRICS,
  ...PROBE_METRICS,
  ...HOOK_METRICS,
  ...PROCESS_METRICS,
];
