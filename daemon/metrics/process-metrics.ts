// Metrics of the process, under the names that Prometheus' client libraries share. prom-client's
// default metrics are not used: they keep timers and observers running between scrapes.
import { readdirSync } from 'node:fs';
import { single, type Metric } from './metric.ts';

export const PROCESS_METRICS: readonly Metric[] = [
  {
    name: 'process_cpu_seconds_total',
    type: 'counter',
    help: 'User and system CPU time',
    read: () => {
      const { user, system } = process.cpuUsage();
      return single((user + system) / 1e6);
    },
  },
  {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    help: 'Resident memory',
    read: () => single(process.memoryUsage.rss()),
  },
  {
    name: 'process_start_time_seconds',
    type: 'gauge',
    help: 'Start of the process since the epoch',
    read: () => single(Date.now() / 1000 - process.uptime()),
  },
  {
    name: 'process_open_fds',
    type: 'gauge',
    help: 'Open file descriptors',
    read: () => single(countDescriptors()),
  },
  {
    name: 'nodejs_heap_size_used_bytes',
    type: 'gauge',
    help: 'Used JavaScript heap',
    read: () => single(process.memoryUsage().heapUsed),
  },
];

/** Without the descriptor of the listing itself. */
function countDescriptors(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return undefined;
  }
}
