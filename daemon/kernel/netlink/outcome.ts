// The kernel's answer to one request, errno as a name, and the error of a failed read.
import { getSystemErrorMap } from 'node:util';
import { WeftError } from '../../../api/errors.ts';

/** The kernel, or this module on its behalf, rejected a request. */
export interface Rejection {
  readonly status: 'rejected';
  /** Name such as `EPERM` (errno(3)). */
  readonly errno: string;
  /** Starts with the errno; has the kernel's extended-ack text if it sent one. */
  readonly message: string;
  /** A device has the name and cannot be changed to what is wanted: it must be removed first. */
  readonly hasOtherDevice?: true;
}

/**
 * Answer to one request. `unknown`: the answer was lost or never came, so the request may be done.
 */
export type Outcome =
  { readonly status: 'done' } | Rejection | { readonly status: 'unknown'; readonly message: string };

export const DONE: Outcome = { status: 'done' };

/** A read of the kernel that failed. */
export class KernelReadError extends WeftError {
  /** Name such as `EPERM`; `ETIMEDOUT` or `EINTR` if answers were lost. */
  readonly errno: string;

  /** `what` completes "Cannot read … from the kernel". */
  constructor(what: string, errno: string, message: string) {
    super('KERNEL_READ_FAILED', `Cannot read ${what} from the kernel: ${message}`);
    this.errno = errno;
  }
}

/** The error of a read of `what` that `outcome` answers without a result. */
export function readErrorOf(what: string, outcome: Outcome): KernelReadError {
  if (outcome.status === 'rejected') return new KernelReadError(what, outcome.errno, outcome.message);
  const message = outcome.status === 'unknown' ? outcome.message : 'the answer is empty';
  return new KernelReadError(what, 'ETIMEDOUT', message);
}

/** A rejection by this module: the kernel did not see the request. */
export function rejection(errno: string, message: string): Outcome {
  return { status: 'rejected', errno, message: `${errno}: ${message}` };
}

/** The device `name` exists, and differs in `what`, which it keeps for its lifetime. */
export function cannotChange(name: string, what: string): Outcome {
  const errno = 'EOPNOTSUPP';
  const message = `${errno}: ${name} cannot be changed in place: ${what}`;
  return { status: 'rejected', errno, message, hasOtherDevice: true };
}

/** The device `name` exists, and `what` says what it is instead of what is wanted. */
export function takenName(name: string, what: string): Outcome {
  const errno = 'EEXIST';
  const message = `${errno}: ${name} exists and is ${what}: rename it`;
  return { status: 'rejected', errno, message, hasOtherDevice: true };
}

/**
 * The kernel's rejection with `code`, a negative errno, and its extended-ack text, empty if it sent
 * none.
 */
export function kernelRejection(code: number, text: string): Outcome {
  const [name, description] = getSystemErrorMap().get(code) ?? [`E${-code}`, `errno ${-code}`];
  // Linux has one number for both names; the network stack means EOPNOTSUPP.
  const errno = name === 'ENOTSUP' ? 'EOPNOTSUPP' : name;
  const detail = text === '' ? description : `${text} (${description})`;
  return { status: 'rejected', errno, message: `${errno}: ${detail}` };
}
