// Metrics on the process, by the names that Prometheus' clients share. prom-client's own keep timers and observers running
// while nobody asks, so they are not used.
import { readdirSync } from 'node:fs';
import { only, type Family } from './metric.ts';

export const PROCESS_FAMILIES: readonly Family[] = [
  {
    name: 'process_cpu_seconds_total',
    type: 'counter',
    help: 'Processor time of user and system',
    read: () => {
      const { user, system } = process.cpuUsage();
      return only((user + system) / 1e6);
    },
  },
  {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    help: 'Resident memory',
    read: () => only(process.memoryUsage.rss()),
  },
  {
    name: 'process_start_time_seconds',
    type: 'gauge',
    help: 'When the process started',
    read: () => only(Date.now() / 1000 - process.uptime()),
  },
  {
    name: 'process_open_fds',
    type: 'gauge',
    help: 'Open file descriptors',
    read: () => only(countDescriptors()),
  },
  {
    name: 'nodejs_heap_size_used_bytes',
    type: 'gauge',
    help: 'Memory of the JavaScript heap in use',
    read: () => only(process.memoryUsage().heapUsed),
  },
];

/** Without that of the listing itself. */
function countDescriptors(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return undefined;
  }
}
