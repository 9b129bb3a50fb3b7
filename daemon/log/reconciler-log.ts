// Log lines of what the reconciler tells.
import type { Logger } from './log.ts';
import type { LogRateLimit } from './log-rate-limit.ts';
import type { EventCode, ReconcilerEvent } from '../reconciler/status.ts';

const MESSAGES: Readonly<Record<EventCode, string>> = {
  KERNEL_DRIFT: 'Somebody changed kernel state of the overlay; putting it back',
  KERNEL_REPAIRED: 'Put back what somebody changed',
  KERNEL_CONTESTED: 'Something keeps changing kernel state of the overlay; repairing it more slowly',
  ORPHANS_REMOVED: 'Removed kernel entries that no lease stands for',
  PEER_REJECTED: 'A peer cannot be served, because of what its lease says',
  PEER_FAILED: 'A peer cannot be programmed; trying again',
  PEER_RECOVERED: 'A peer is programmed again',
  HOST_FAILED: "This host's own device or address cannot be programmed; trying again",
  HOST_RECOVERED: "This host's own device and address are programmed again",
  ORPHAN_REMOVE_FAILED: 'A kernel entry that no lease stands for cannot be removed',
  LINK_REPLACED: 'Made the device anew: what differs cannot be changed in place',
  SYSCTL_REJECTED: 'A kernel setting cannot be made',
  KERNEL_READ_FAILED: 'Cannot read kernel state; trying again',
  KERNEL_NO_ANSWER: 'The kernel did not answer; reading everything anew',
};

/** Prints one line for an event, or none if the same was said of the same thing within the last minute. */
export function logReconcilerEvent(
  log: Logger,
  limit: LogRateLimit,
  { code, level, fields }: ReconcilerEvent,
): void {
  const suppressed = limit.take(JSON.stringify([code, fields['peer'], fields['object']]));
  if (suppressed === undefined) return;
  log[level](MESSAGES[code], suppressed > 0 ? { ...fields, suppressed } : fields);
}

/** What happened, in words. */
export function reconcilerMessage(code: EventCode): string {
  return MESSAGES[code];
}
