// Metrics of the registry as this host sees it.
import { byLabel, single, type Metric } from './metric.ts';

export const REGISTRY_METRICS: readonly Metric[] = [
  {
    name: 'weft_registry_connected',
    type: 'gauge',
    help: 'Whether the registry is connected',
    read: ({ status }) => single(status.registry.isConnected),
  },
  {
    name: 'weft_registry_contact_age_seconds',
    type: 'gauge',
    help: 'Time since the last answer, event or progress notification of the registry; absent before the first',
    read: ({ daemon, nowMs }) => {
      const lastMs = daemon.registryCache?.lastContactMs;
      return single(lastMs === undefined ? undefined : Math.max(0, nowMs - lastMs) / 1000);
    },
  },
  {
    name: 'weft_registry_revision',
    type: 'gauge',
    help: 'Registry revision that this host has applied',
    read: ({ status }) => single(status.registry.revision),
  },
  {
    name: 'weft_registry_resyncs_total',
    type: 'counter',
    help: 'Full lists of the registry by reason',
    labels: ['reason'],
    read: ({ status }) => byLabel('reason', status.registry.resyncs),
  },
  {
    name: 'weft_registry_bad_keys',
    type: 'gauge',
    help: 'Invalid keys below subnets/',
    read: ({ status }) => single(status.registry.badKeyCount),
  },
];
