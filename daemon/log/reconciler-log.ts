// Log lines and codes of the reconciler's events.
import type { EventCode } from '../../api/index.ts';
import type { Logger } from './log.ts';
import type { LogRateLimit } from './log-rate-limit.ts';
import type { ReconcilerEvent, ReconcilerEventKind } from '../reconciler/events.ts';

interface EventText {
  /** Stable name for programs, in the log and on the control socket. */
  readonly code: EventCode;
  readonly topic: 'kernel' | 'peer';
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
}

const TEXTS: Readonly<Record<ReconcilerEventKind, EventText>> = {
  'drift-detected': {
    code: 'KERNEL_DRIFT',
    topic: 'kernel',
    level: 'warn',
    message: 'Detected changes of overlay objects by another program; repairing them',
  },
  'drift-repaired': {
    code: 'KERNEL_REPAIRED',
    topic: 'kernel',
    level: 'info',
    message: 'Repaired changed overlay objects',
  },
  'object-contested': {
    code: 'KERNEL_CONTESTED',
    topic: 'kernel',
    level: 'warn',
    message: 'Slowing down repairs: another program keeps changing an overlay object',
  },
  'orphans-removed': {
    code: 'ORPHANS_REMOVED',
    topic: 'kernel',
    level: 'info',
    message: 'Removed kernel objects without a lease',
  },
  'orphan-remove-failed': {
    code: 'ORPHAN_REMOVE_FAILED',
    topic: 'kernel',
    level: 'warn',
    message: 'Cannot remove a kernel object without a lease; retrying',
  },
  'peer-rejected': {
    code: 'PEER_REJECTED',
    topic: 'peer',
    level: 'warn',
    message: 'Rejected a peer: its lease cannot be programmed',
  },
  'more-peers-rejected': {
    code: 'PEER_REJECTED',
    topic: 'peer',
    level: 'warn',
    message: 'Rejected further peers: their leases cannot be programmed',
  },
  'peer-failed': {
    code: 'PEER_FAILED',
    topic: 'peer',
    level: 'warn',
    message: 'Cannot program a peer; retrying',
  },
  'peer-recovered': {
    code: 'PEER_RECOVERED',
    topic: 'peer',
    level: 'info',
    message: 'Programmed a peer that failed before',
  },
  'link-failed': {
    code: 'HOST_FAILED',
    topic: 'kernel',
    level: 'error',
    message: "Cannot set up this host's device; retrying",
  },
  'host-failed': {
    code: 'HOST_FAILED',
    topic: 'kernel',
    level: 'error',
    message: "Cannot program this host's own objects; retrying",
  },
  'host-recovered': {
    code: 'HOST_RECOVERED',
    topic: 'kernel',
    level: 'info',
    message: "Programmed this host's own device and objects",
  },
  'link-replaced': {
    code: 'LINK_REPLACED',
    topic: 'kernel',
    level: 'warn',
    message: 'Re-creating the device, which cannot be changed in place',
  },
  'setting-rejected': {
    code: 'SYSCTL_REJECTED',
    topic: 'kernel',
    level: 'warn',
    message: 'Cannot change a kernel setting',
  },
  'read-failed': {
    code: 'KERNEL_READ_FAILED',
    topic: 'kernel',
    level: 'error',
    message: 'Cannot read kernel state; retrying',
  },
  'steps-unanswered': {
    code: 'KERNEL_NO_ANSWER',
    topic: 'kernel',
    level: 'warn',
    message: 'Received no answer from the kernel; reading its state again',
  },
};

/** An event as the log and the control socket show it. */
export interface DescribedEvent extends EventText {
  readonly fields: Readonly<Record<string, unknown>>;
}

export function describeReconcilerEvent({ kind, ...fields }: ReconcilerEvent): DescribedEvent {
  const isMinor = 'object' in fields && MINOR_SETTING.test(fields.object ?? '');
  return { ...TEXTS[kind], ...(kind === 'setting-rejected' && isMinor ? { level: 'info' } : {}), fields };
}

/**
 * Router advertisements on an overlay device: the device works without this setting, which a host
 * without IPv6 does not have.
 */
const MINOR_SETTING = /^sysctl net\/ipv6\/conf\/flannel[^/]*\/accept_ra$/;

/** Lines a minute about objects, whichever they are; devices have their own. */
const MAX_OBJECT_LINES = 10;

/** Prints one line for an event, at most one a minute for the same object or peer. */
export function logReconcilerEvent(log: Logger, limit: LogRateLimit, event: ReconcilerEvent): void {
  const { code, level, message, fields } = describeReconcilerEvent(event);
  const suppressed =
    'objects' in event
      ? takeObjects(limit, code, event.objects)
      : limit.take(JSON.stringify([code, fields['peer'], fields['object']]));
  if (suppressed === undefined) return;
  log[level](message, suppressed > 0 ? { ...fields, suppressed } : fields);
}

/** A line passes for an object that had none within the minute: a route does not hide a device. */
function takeObjects(limit: LogRateLimit, code: EventCode, objects: readonly string[]): number | undefined {
  const fresh = objects.filter((object) => limit.take(JSON.stringify([code, object])) !== undefined);
  const total = limit.take(code, MAX_OBJECT_LINES);
  if (fresh.some((object) => object.startsWith('link '))) return total ?? 0;
  return fresh.length === 0 ? undefined : total;
}
