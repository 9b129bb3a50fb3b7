// Metrics on the command that --on-change names; absent without one.
import { each, only, type Family } from './metric.ts';

export const HOOK_FAMILIES: readonly Family[] = [
  {
    name: 'weft_on_change_runs_total',
    type: 'counter',
    help: 'Runs of the command of --on-change by how they ended',
    labels: ['outcome'],
    read: ({ daemon }) => each('outcome', daemon.hook?.counts),
  },
  {
    name: 'weft_on_change_running',
    type: 'gauge',
    help: 'Whether the command of --on-change runs now',
    read: ({ daemon }) => only(daemon.hook?.isRunning),
  },
];
