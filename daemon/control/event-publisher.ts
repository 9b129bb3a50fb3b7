// Makes events of what the parts of the daemon tell each other anyway. Decides nothing and keeps only what it takes to see
// a change.
import type { Family } from '../../lib/address.ts';
import type { LeaseEvent } from '../../allocator/lease/lease-events.ts';
import type { Lease } from '../../allocator/lease.ts';
import type { RegistryCacheChange } from '../../allocator/registry/cache-listeners.ts';
import type { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import type { ConfigStatus } from '../node/config-watcher.ts';
import type { Readiness } from '../node/health.ts';
import { keeperMessage } from '../log/lease-log.ts';
import { describeError } from '../log/log-format.ts';
import { offloadMessage } from '../overlay/checksum-offload-controller.ts';
import type { OffloadVerdict } from '../probe/checksum-probe-loop.ts';
import { reconcilerMessage } from '../log/reconciler-log.ts';
import type { ReconcilerEvent } from '../reconciler/reports.ts';
import type { EventHub, NewEvent } from './event-hub.ts';

/** Leases of one change that get an event each; at start there may be thousands. */
const NAMED_LEASES = 20;

export class EventPublisher {
  readonly #hub: EventHub;
  #health = '';
  #config: ConfigStatus | undefined;

  constructor(hub: EventHub) {
    this.#hub = hub;
  }

  /** What the lease keeper tells; the registry's coming and going is in it. */
  keeper({ level, code, ...fields }: LeaseEvent): void {
    const topic = code.startsWith('registry-') ? 'registry' : 'lease';
    this.#publish({ topic, level, code, message: keeperMessage(code), fields: plain(fields) });
  }

  reconciler({ level, code, fields }: ReconcilerEvent): void {
    const topic = code.startsWith('PEER_') ? 'peer' : 'kernel';
    this.#publish({ topic, level, code, message: reconcilerMessage(code), fields: plain(fields) });
  }

  /** What probes found out about checksums that are left to devices. */
  offload(family: Family, { state, peers }: OffloadVerdict): void {
    this.#publish({
      topic: 'kernel',
      level: state === 'bad' ? 'warn' : 'info',
      code: `offload-${state}`,
      message: offloadMessage(state),
      fields: { family, peers },
    });
  }

  /** Leases that came, changed or went. */
  leases({ put, removed }: RegistryCacheChange, { leases }: Pick<RegistryCache, 'leases'>): void {
    const put1 = [...put].slice(0, NAMED_LEASES);
    for (const key of put1) {
      const lease = leases.get(key);
      if (lease) this.#lease('lease-put', 'A host has this subnet', leaseFields(lease));
    }
    const removed1 = [...removed].slice(0, NAMED_LEASES);
    for (const key of removed1) this.#lease('lease-removed', 'No host has this subnet any more', { key });
    const more = put.size + removed.size - put1.length - removed1.length;
    if (more > 0) this.#lease('leases-changed', 'More leases changed', { count: more });
  }

  /** The config in force, or the newest that is not, may be another one. */
  config(status: ConfigStatus): void {
    const before = this.#config;
    this.#config = status;
    const { revision, rejected } = status;
    if (before?.revision !== revision)
      this.#publish({
        topic: 'config',
        level: 'info',
        code: 'config-applied',
        message: 'A network config is in force',
        fields: { revision },
      });
    if (rejected !== undefined && before?.rejected?.revision !== rejected.revision)
      this.#publish({
        topic: 'config',
        level: 'error',
        code: 'config-rejected',
        message: 'The newest network config is refused; the last good one stays in force',
        fields: rejected,
      });
  }

  health({ isReady, reasons }: Readiness): void {
    const health = isReady ? (reasons.length === 0 ? 'ok' : 'degraded') : 'not-ready';
    const told = JSON.stringify([health, reasons]);
    if (told === this.#health) return;
    this.#health = told;
    const level = health === 'ok' ? 'info' : health === 'degraded' ? 'warn' : 'error';
    this.#publish({
      topic: 'health',
      level,
      code: health,
      message: `This host is ${health}`,
      fields: reasons.length === 0 ? {} : { reasons },
    });
  }

  #lease(code: string, message: string, fields: NewEvent['fields']): void {
    this.#publish({ topic: 'lease', level: 'info', code, message, fields });
  }

  #publish(event: NewEvent): void {
    this.#hub.publish(event);
  }
}

function leaseFields({ key, attributes, isReservation }: Lease): NewEvent['fields'] {
  const { publicIp, publicIpv6 } = attributes;
  return {
    key,
    ...(publicIp && { publicIp }),
    ...(publicIpv6 && { publicIpv6 }),
    ...(isReservation && { isReservation }),
  };
}

/** Errors do not survive JSON by themselves. */
function plain(fields: NewEvent['fields']): NewEvent['fields'] {
  const entries = Object.entries(fields).map(([name, value]) => [
    name,
    value instanceof Error ? describeError(value) : value,
  ]);
  return Object.fromEntries(entries) as NewEvent['fields'];
}
