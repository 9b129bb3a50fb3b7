// All metrics. A file of families is a line here; what is counted for each peer is summed up before it gets here.
import type { Family } from './metric.ts';
import { HOOK_FAMILIES } from './hook-metrics.ts';
import { HOST_FAMILIES } from './host-metrics.ts';
import { KERNEL_FAMILIES } from './kernel-metrics.ts';
import { PATH_FAMILIES } from './path-metrics.ts';
import { PROBE_FAMILIES } from './probe-metrics.ts';
import { PROCESS_FAMILIES } from './process-metrics.ts';
import { REGISTRY_FAMILIES } from './registry-metrics.ts';

export const FAMILIES: readonly Family[] = [
  ...HOST_FAMILIES,
  ...REGISTRY_FAMILIES,
  ...KERNEL_FAMILIES,
  ...PATH_FAMILIES,
  ...PROBE_FAMILIES,
  ...HOOK_FAMILIES,
  ...PROCESS_FAMILIES,
];
