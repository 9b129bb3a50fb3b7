// Files below /proc/sys. Paths have slashes, since device names have dots.
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { WeftError } from '../../api/errors.ts';
import { DONE, type Outcome } from './netlink/outcome.ts';

/** A path that could leave /proc/sys, or is written as `sysctl` does with dots for slashes. */
export class SysctlPathError extends WeftError {
  constructor(path: string) {
    super(
      'SYSCTL_PATH_INVALID',
      `Not a path below /proc/sys: ${JSON.stringify(path)}; write it like net/ipv4/ip_forward`,
    );
  }
}

/**
 * Value without the newline; `undefined` if there is no such file. Reads synchronously: the kernel
 * has it in memory, and the thread pool would cost more than the read.
 * @throws SysctlPathError, or the file's error
 */
export async function readSysctl(path: string): Promise<string | undefined> {
  try {
    return readFileSync(sysctlFile(path), 'utf8').trimEnd();
  } catch (error) {
    if (isErrno(error) && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Writes `value` and a newline. Rejected: EINVAL for a bad path, else the file's errno. A file that
 * cannot be written, as /proc/sys is read-only in many containers, is fine if it has the value.
 */
export async function writeSysctl(path: string, value: string): Promise<Outcome> {
  try {
    await writeFile(sysctlFile(path), `${value}\n`);
    return DONE;
  } catch (error) {
    if (error instanceof SysctlPathError)
      return { status: 'rejected', errno: 'EINVAL', message: error.message };
    if (!isErrno(error) || error.code === undefined) throw error;
    if ((await readSysctl(path).catch(() => undefined)) === value) return DONE;
    const message = `${error.code}: cannot write ${JSON.stringify(value)} to /proc/sys/${path}`;
    return { status: 'rejected', errno: error.code, message };
  }
}

function sysctlFile(path: string): string {
  const isBelow = /^(?:[\w.@:-]+\/)+[\w.@:-]+$/.test(path) && !path.split('/').includes('..');
  if (!isBelow) throw new SysctlPathError(path);
  return `/proc/sys/${path}`;
}

function isErrno(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error;
}
