// All metrics. A file of families is a line here; what is counted for each peer is summed up before it gets here.
import type { Family } from './family.ts';
import { HOOK_FAMILIES } from './hook-families.ts';
import { HOST_FAMILIES } from './host-families.ts';
import { KERNEL_FAMILIES } from './kernel-families.ts';
import { PATH_FAMILIES } from './path-families.ts';
import { PROBE_FAMILIES } from './probe-families.ts';
import { PROCESS_FAMILIES } from './process-families.ts';
import { REGISTRY_FAMILIES } from './registry-families.ts';

export const FAMILIES: readonly Family[] = [
  ...HOST_FAMILIES,
  ...REGISTRY_FAMILIES,
  ...KERNEL_FAMILIES,
  ...PATH_FAMILIES,
  ...PROBE_FAMILIES,
  ...HOOK_FAMILIES,
  ...PROCESS_FAMILIES,
];
