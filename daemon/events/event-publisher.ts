// Turns reports of the daemon's parts into events for the hub. It keeps only what it needs to
// detect a change.
import type {
  EventCode,
  EventTopic,
  HealthV1,
  LeaseEventCode,
  LivenessStateV1,
  RegistryEventCode,
} from '../../api/index.ts';
import type { Family } from '../../lib/address.ts';
import type { LeaseEvent } from '../../allocator/lease/lease-events.ts';
import type { Lease } from '../../allocator/lease.ts';
import type { RegistryCacheChange } from '../../allocator/registry/cache-listeners.ts';
import type { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import type { ConfigStatus } from '../node/config-watcher.ts';
import type { Readiness } from '../node/health.ts';
import { leaseMessage, takeLeaseEvent } from '../log/lease-log.ts';
import { createLogRateLimit, type LogRateLimit } from '../log/log-rate-limit.ts';
import { describeError } from '../log/log-format.ts';
import { offloadMessage } from '../overlay/checksum-offload-controller.ts';
import { livenessMessage } from '../probe/liveness-problems.ts';
import type { ChecksumStatus } from '../probe/checksum-probe-loop.ts';
import { describeReconcilerEvent } from '../log/reconciler-log.ts';
import type { ReconcilerEvent } from '../reconciler/events.ts';
import type { EventHub, NewEvent } from './event-hub.ts';

/** Leases of one change that get an event each; the first list may have thousands. */
const MAX_LEASES_NAMED = 20;

const REGISTRY_CODES: ReadonlySet<EventCode> = new Set<RegistryEventCode>([
  'registry-unreachable',
  'registry-back',
  'registry-restored',
]);
/** Any writer of etcd can cause these for any number of keys. */
const INVALID_KEY_CODES: ReadonlySet<EventCode> = new Set<LeaseEventCode>([
  'bad-entry',
  'duplicate-public-ip',
  'subnet-overlap',
]);
const HEALTH_LEVELS = { ok: 'info', degraded: 'warn', 'not-ready': 'error' } as const satisfies Record<
  HealthV1,
  NewEvent['level']
>;

export class EventPublisher {
  readonly #hub: EventHub;
  /** Events of keys that flip would displace all others. */
  readonly #limit: LogRateLimit;
  #health = '';
  #config: ConfigStatus | undefined;

  constructor(hub: EventHub, limit: LogRateLimit = createLogRateLimit()) {
    this.#hub = hub;
    this.#limit = limit;
  }

  /** An event of the lease manager, which reports the registry's state, too. */
  lease({ level, code, ...fields }: LeaseEvent): void {
    if (INVALID_KEY_CODES.has(code) && takeLeaseEvent(this.#limit, code) === undefined) return;
    const topic: EventTopic = REGISTRY_CODES.has(code) ? 'registry' : 'lease';
    this.#publish({ topic, level, code, message: leaseMessage(code), fields: plain(fields) });
  }

  reconciler(event: ReconcilerEvent): void {
    const { topic, level, code, message, fields } = describeReconcilerEvent(event);
    this.#publish({ topic, level, code, message, fields: plain(fields) });
  }

  /** A new result of the checksum probes. */
  offload(family: Family, { state, peers }: ChecksumStatus): void {
    this.#publish({
      topic: 'kernel',
      level: state === 'bad' ? 'warn' : 'info',
      code: `offload-${state}`,
      message: offloadMessage(state),
      fields: { family, peers },
    });
  }

  /** A peer answers again, or ceased to. */
  liveness(key: string, state: LivenessStateV1): void {
    this.#publish({
      topic: 'peer',
      level: state === 'reachable' ? 'info' : 'warn',
      code: `peer-${state}`,
      message: livenessMessage(state),
      fields: { key },
    });
  }

  /** A change of the registry's leases. */
  leases({ put, removed }: RegistryCacheChange, { leases }: Pick<RegistryCache, 'leases'>): void {
    const namedPut = [...put].slice(0, MAX_LEASES_NAMED);
    for (const key of namedPut) {
      const lease = leases.get(key);
      if (lease) this.#lease('lease-put', 'A host leased this subnet', leaseFields(lease));
    }
    const namedRemoved = [...removed].slice(0, MAX_LEASES_NAMED);
    for (const key of namedRemoved) this.#lease('lease-removed', 'The lease of this subnet ended', { key });
    const more = put.size + removed.size - namedPut.length - namedRemoved.length;
    if (more > 0) this.#lease('leases-changed', 'Further leases changed', { count: more });
  }

  /**
   * The status of the network config; published if the document in force or the rejected one
   * changed.
   */
  config(status: ConfigStatus): void {
    const before = this.#config;
    this.#config = status;
    const { revision, rejected } = status;
    if (before?.revision !== revision)
      this.#publish({
        topic: 'config',
        level: 'info',
        code: 'config-applied',
        message: 'Applied the network config',
        fields: { revision, ...(status.changes?.length && { changes: status.changes }) },
      });
    if (rejected !== undefined && before?.rejected?.revision !== rejected.revision)
      this.#publish({
        topic: 'config',
        level: 'error',
        code: 'config-rejected',
        message: 'Rejected the newest network config; the last good one stays in force',
        fields: rejected,
      });
  }

  health({ isReady, reasons }: Readiness): void {
    const health = isReady ? (reasons.length === 0 ? 'ok' : 'degraded') : 'not-ready';
    const published = JSON.stringify([health, reasons]);
    if (published === this.#health) return;
    this.#health = published;
    this.#publish({
      topic: 'health',
      level: HEALTH_LEVELS[health],
      code: health,
      message: `This host is ${health}`,
      fields: reasons.length === 0 ? {} : { reasons },
    });
  }

  #lease(code: LeaseEventCode, message: string, fields: NewEvent['fields']): void {
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

/** JSON.stringify makes `{}` of an Error. */
function plain(fields: NewEvent['fields']): NewEvent['fields'] {
  const entries = Object.entries(fields).map(([name, value]) => [
    name,
    clip(value instanceof Error ? describeError(value) : value),
  ]);
  return Object.fromEntries(entries) as NewEvent['fields'];
}

/** The hub keeps hundreds of events, and a key of etcd may have a megabyte. */
const MAX_FIELD_LENGTH = 1024;

function clip(value: unknown): unknown {
  if (typeof value !== 'string' || value.length <= MAX_FIELD_LENGTH) return value;
  return `${value.slice(0, MAX_FIELD_LENGTH)}… (${value.length} characters)`;
}
