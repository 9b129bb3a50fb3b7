// What the kernel said to one request, and errno as text.
import { getSystemErrorMap } from 'node:util';

/** Answer to one request. `unknown`: the answer was lost or never came. */
export type Outcome =
  | { readonly status: 'done' }
  | { readonly status: 'rejected'; readonly errno: string; readonly message: string }
  | { readonly status: 'unknown'; readonly message: string };

export const DONE: Outcome = { status: 'done' };

/** A read of the kernel that failed. `errno` is a name such as `EPERM`, or `ETIMEDOUT`/`EINTR` for lost answers. */
export class KernelReadError extends Error {
  readonly errno: string;

  constructor(what: string, errno: string, message: string) {
    super(`Cannot read ${what} from the kernel: ${message}`);
    this.name = 'KernelReadError';
    this.errno = errno;
  }
}

/** A refusal that the door itself words. */
export function rejection(errno: string, message: string): Outcome {
  return { status: 'rejected', errno, message: `${errno}: ${message}` };
}

/** Names errno `code` (negative) and adds the kernel's own text, if it sent one. */
export function rejectionOf(code: number, text: string): Outcome {
  const [name, description] = getSystemErrorMap().get(code) ?? [`E${-code}`, `errno ${-code}`];
  // One number on Linux; the network stack means the other name.
  const errno = name === 'ENOTSUP' ? 'EOPNOTSUPP' : name;
  const detail = text === '' ? description : `${text} (${description})`;
  return { status: 'rejected', errno, message: `${errno}: ${detail}` };
}
