// Metrics on the registry as this host sees it.
import { each, only, type Family } from './metric.ts';

export const REGISTRY_FAMILIES: readonly Family[] = [
  {
    name: 'weft_registry_connected',
    type: 'gauge',
    help: 'Whether the registry answers',
    read: ({ status }) => only(status.registry.isConnected),
  },
  {
    name: 'weft_registry_contact_age_seconds',
    type: 'gauge',
    help: 'Time since the registry last answered or sent an event or a sign of life; absent before the first',
    read: ({ daemon, nowMs }) => {
      const lastMs = daemon.mirror?.lastContactMs;
      return only(lastMs === undefined ? undefined : Math.max(0, nowMs - lastMs) / 1000);
    },
  },
  {
    name: 'weft_registry_revision',
    type: 'gauge',
    help: 'Revision of the registry that this host stands at',
    read: ({ status }) => only(status.registry.revision),
  },
  {
    name: 'weft_registry_resyncs_total',
    type: 'counter',
    help: 'Full reads of the registry by reason',
    labels: ['reason'],
    read: ({ status }) => each('reason', status.registry.resyncs),
  },
  {
    name: 'weft_registry_bad_keys',
    type: 'gauge',
    help: 'Keys below subnets/ that are no leases',
    read: ({ status }) => only(status.registry.badKeys.length),
  },
];
