// The Event object that reports something about a Node.
import { randomBytes } from 'node:crypto';
import type { NodeReport } from '../registry.ts';

/** Events on objects without a namespace are in this one. */
const NAMESPACE = 'default';
export const EVENTS_PATH = `/api/v1/namespaces/${NAMESPACE}/events`;
/** A longer message is rejected: ValidateEventMessageSize in pkg/apis/core/validation. */
const MAX_MESSAGE_CHARACTERS = 1024;
/** Names have 253 characters at most, and this one ends in 17 more. */
const MAX_NAME_CHARACTERS = 236;

export interface EventContext {
  readonly nodeName: string;
  /** Unset while the Node is unknown. */
  readonly uid: string | undefined;
  readonly at: Date;
}

export function eventOf(
  { isWarning, message, reason }: NodeReport,
  { at, nodeName, uid }: EventContext,
): object {
  const time = `${at.toISOString().slice(0, 19)}Z`;
  const suffix = randomBytes(8).toString('hex');
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${nodeName.slice(0, MAX_NAME_CHARACTERS)}.${suffix}`, namespace: NAMESPACE },
    involvedObject: { apiVersion: 'v1', kind: 'Node', name: nodeName, ...(uid !== undefined && { uid }) },
    type: isWarning ? 'Warning' : 'Normal',
    reason,
    message: message.slice(0, MAX_MESSAGE_CHARACTERS),
    source: { component: 'weft', host: nodeName },
    reportingComponent: 'weft',
    reportingInstance: nodeName,
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  };
}
