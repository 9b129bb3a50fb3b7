// Log lines of what the lease keeper tells: what happened, to which key, and what an operator can do about it.
import type { LeaseEvent } from '../../allocator/lease/lease-events.ts';
import type { LogFields, Logger } from './log.ts';
import type { LogRateLimit } from './log-rate-limit.ts';

const MESSAGES: Readonly<Record<LeaseEvent['code'], string>> = {
  'lease-created': 'Leased a subnet',
  'lease-adopted': 'Took over the lease that this host had',
  'lease-published': 'Published changed attributes in the lease',
  'lease-reserved': 'The subnet is reserved for this host: its key has no expiry',
  'lease-moved': 'The lease has another key: a family came or went, the subnet of the other is the same',
  'lease-lost': 'Lost the lease; taking the same subnet again, or another if it is taken',
  'lease-expiring':
    'The lease could not be renewed in time; forwarding goes on, another host may get the subnet',
  'subnet-changed': 'THE SUBNET OF THIS HOST CHANGED: restart containers that have addresses of the old one',
  'own-key-removed': 'Removed a key of this host that does not fit the network config',
  'key-overwritten': "Somebody wrote to this host's key",
  'public-ip-contested':
    'Another host publishes the same public IP: give one of them another with --public-ip or --iface',
  'duplicate-public-ip': 'Another key has the public IP of this host; its subnet is not routed here',
  'subnet-overlap': 'The subnet of another key overlaps the one of this host: remove one of the keys',
  'pool-exhausted': 'No subnet is free; trying again',
  'bad-entry': 'Ignored a key that is no lease: correct or remove it',
  'implied-backend-differs':
    'The network config names no backend and weft took vxlan, but this peer runs flannel with its default, udp: write "Backend":{"Type":"vxlan"} into the config and restart flannel there',
  'registry-unreachable': 'Registry lost; forwarding goes on with the peers known',
  'registry-back': 'Registry is back',
  'registry-restored': 'The registry went back in time, as from a backup; taking over what it says now',
  'attempt-failed': 'A registry call failed; trying again',
};

/** Codes that repeat while trouble lasts: one line a minute tells enough. */
const REPEATING: ReadonlySet<LeaseEvent['code']> = new Set([
  'attempt-failed',
  'pool-exhausted',
  'registry-unreachable',
  'key-overwritten',
  'public-ip-contested',
]);

/** Prints one line for an event, or none if the same was said within the last minute. */
export function logKeeperEvent(log: Logger, limit: LogRateLimit, event: LeaseEvent): void {
  if (event.code === 'registry-back') limit.reset('registry-unreachable');
  let suppressed: number | undefined = 0;
  if (REPEATING.has(event.code)) suppressed = limit.take(event.code);
  if (suppressed === undefined) return;
  const repeats = suppressed > 0 ? { suppressed } : {};
  log[event.level](MESSAGES[event.code], { ...fieldsOf(event), ...repeats });
}

/** What happened, in words. */
export function keeperMessage(code: LeaseEvent['code']): string {
  return MESSAGES[code];
}

function fieldsOf({ level: _level, code: _code, ...fields }: LeaseEvent): LogFields {
  return fields;
}
