// Failures of this host's own devices, which may mean that the kernel cannot carry the backend at
// all.
import { remedyForLink } from '../host/prerequisites.ts';
import type { ReconcilerEvent } from '../reconciler/events.ts';
import { datapathOf, type NodeState } from './node-state.ts';

export type LinkFailure = Extract<ReconcilerEvent, { kind: 'link-failed' }>;

/** What cannot be done, why, and the remedies; `undefined` if trying again may help. */
export function linkRemedy({ device, errno, message }: LinkFailure, state: NodeState): string | undefined {
  const link = { name: device, isTun: datapathOf(state) === 'userspace' };
  const remedy = remedyForLink(errno, state.host.config.backend, link);
  return remedy === undefined ? undefined : `Cannot make ${device}: ${message}: ${remedy}`;
}
