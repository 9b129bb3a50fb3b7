// Log lines of the lease manager's events: what happened, to which key, and the remedy.
import type { LeaseEvent } from '../../allocator/lease/lease-events.ts';
import type { LogFields } from './log-format.ts';
import type { Logger } from './log.ts';
import type { LogRateLimit } from './log-rate-limit.ts';

const MESSAGES: Readonly<Record<LeaseEvent['code'], string>> = {
  'lease-created': 'Leased a subnet',
  'lease-adopted': 'Adopted the existing lease of this host',
  'lease-published': 'Published changed lease attributes',
  'lease-reserved': 'The lease of this host is a reservation: its key never expires',
  'lease-moved':
    'Moved the lease to another key: one address family was added or removed, the other subnet is unchanged',
  'lease-lost': 'Lost the lease; acquiring the same subnet again, or another one if it is taken',
  'lease-expiring':
    'The lease is not renewed in time; forwarding goes on, another host may acquire the subnet',
  'subnet-changed': 'THE SUBNET OF THIS HOST CHANGED: restart containers with addresses of the old subnet',
  'own-key-removed': 'Removed a key of this host that is incompatible with the network config',
  'key-overwritten': "Another program overwrote this host's key",
  'public-ip-contested':
    'Another host publishes the same public IP: change one of them with --public-ip or --iface',
  'duplicate-public-ip': 'Another key has the public IP of this host; its subnet is not routed',
  'subnet-overlap':
    'The subnet of another key overlaps the subnet of this host: remove one of the keys (in Kubernetes, delete one of the Nodes)',
  'pool-exhausted': 'No subnet is free; retrying',
  'bad-entry': 'Ignored an invalid key: correct or remove it',
  'implied-backend-differs':
    'The network config names no backend: weft defaults to vxlan, but this peer runs flannel with its default, udp: write "Backend":{"Type":"vxlan"} into the config and restart flannel there',
  'registry-unreachable': 'Registry lost; forwarding goes on with the known peers',
  'registry-back': 'Registry is back',
  'registry-restored': 'The registry was restored from a backup; applying its present state',
  'attempt-failed': 'A registry call failed; retrying',
};

/** Lines a minute of codes that repeat while an error lasts, or that any etcd writer can cause. */
const BURSTS: Readonly<Partial<Record<LeaseEvent['code'], number>>> = {
  'attempt-failed': 1,
  'pool-exhausted': 1,
  'registry-unreachable': 1,
  'key-overwritten': 1,
  'public-ip-contested': 1,
  'bad-entry': 10,
  'duplicate-public-ip': 10,
  'subnet-overlap': 10,
};

/**
 * The number of events of this code suppressed since the last minute; `undefined` if this one is
 * suppressed, too.
 */
export function takeLeaseEvent(limit: LogRateLimit, code: LeaseEvent['code']): number | undefined {
  const burst = BURSTS[code];
  return burst === undefined ? 0 : limit.take(code, burst);
}

/** Logs an event; a repeating one a few times a minute, with the number of suppressed lines. */
export function logLeaseEvent(log: Logger, limit: LogRateLimit, event: LeaseEvent): void {
  if (event.code === 'registry-back') limit.reset('registry-unreachable');
  const suppressed = takeLeaseEvent(limit, event.code);
  if (suppressed === undefined) return;
  const repeats = suppressed > 0 ? { suppressed } : {};
  log[event.level](MESSAGES[event.code], { ...fieldsOf(event), ...repeats });
}

/** The message of an event. */
export function leaseMessage(code: LeaseEvent['code']): string {
  return MESSAGES[code];
}

function fieldsOf({ level: _level, code: _code, ...fields }: LeaseEvent): LogFields {
  return fields;
}
