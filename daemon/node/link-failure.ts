// Failures of this host's own devices, which may mean that the kernel cannot carry the backend at
// all.
import { remedyForLink } from '../host/prerequisites.ts';
import type { ReconcilerEvent } from '../reconciler/status.ts';
import type { NodeState } from './node-state.ts';

export interface LinkFailure {
  /** Name of the device. */
  readonly name: string;
  readonly errno: string;
  readonly message: string;
}

/**
 * The device of this host that the kernel rejected; `undefined` if the event is about something
 * else.
 */
export function failedLinkOf({ code, fields }: ReconcilerEvent): LinkFailure | undefined {
  const [kind, name = ''] = String(fields['object']).split(' ');
  if (code !== 'HOST_FAILED' || kind !== 'link') return undefined;
  return { name, errno: String(fields['errno']), message: String(fields['message']) };
}

/** What cannot be done, why, and the remedies; `undefined` if trying again may help. */
export function linkRemedy(
  { name, errno, message }: LinkFailure,
  { encapsulation, host }: NodeState,
): string | undefined {
  const link = { name, isTun: encapsulation === 'userspace' };
  const remedy = remedyForLink(errno, host.config.backend, link);
  return remedy === undefined ? undefined : `Cannot make ${name}: ${message}: ${remedy}`;
}
