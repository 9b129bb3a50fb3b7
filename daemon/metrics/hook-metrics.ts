// Metrics of the command of --on-change; absent without one.
import { byLabel, single, type Metric } from './metric.ts';

export const HOOK_METRICS: readonly Metric[] = [
  {
    name: 'weft_on_change_runs_total',
    type: 'counter',
    help: 'Runs of the --on-change command by outcome',
    labels: ['outcome'],
    read: ({ daemon }) => byLabel('outcome', daemon.hook?.counts),
  },
  {
    name: 'weft_on_change_running',
    type: 'gauge',
    help: 'Whether the --on-change command is running',
    read: ({ daemon }) => single(daemon.hook?.isRunning),
  },
];
