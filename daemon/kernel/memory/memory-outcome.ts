// Rejections of the model, with the text of the real kernel, and address families by text.
import { constants } from 'node:os';
import { kernelRejection, type Outcome } from '../netlink/outcome.ts';

/** Name such as `EPERM` (errno(3)). */
export type ErrnoName = keyof typeof constants.errno;

/** A rejection as the real kernel sends it; `text` is its extended-ack text. */
export function reject(errno: ErrnoName, text = ''): Outcome {
  return kernelRejection(-constants.errno[errno], text);
}

/** Whether an address or a CIDR is one of IPv4. */
export function isIpv4(text: string): boolean {
  return !text.includes(':');
}
