// An exclusive lock between processes: a file of mode 0600, locked with flock(2). Other users
// cannot open it, so they cannot hold the lock. The kernel frees it when its process ends; the file
// of a killed process is used by the next one. A release removes the file.
import { constants } from 'node:fs';
import { open, stat, unlink, type FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { WeftError } from '../../api/index.ts';
import { loadNative } from '../../native/index.ts';

/** The lock is held for a few system calls. */
const POLL_MS = 5;
const TIMEOUT_MS = 2000;

/** Why a lock cannot be had. One line with the remedy. */
export class FileLockError extends WeftError {
  constructor(message: string) {
    super('CONTROL_SOCKET_FAILED', message);
  }
}

/**
 * Waits for the lock of `path`. Without the addon there is no lock.
 * @returns a function that releases it
 * @throws FileLockError after 2 s, or if the file belongs to another user
 */
export async function lockFile(path: string): Promise<() => Promise<void>> {
  const { native } = loadNative();
  if (native === undefined) return () => Promise.resolve();
  for (let waitedMs = 0; waitedMs < TIMEOUT_MS; waitedMs += POLL_MS) {
    const file = await openLock(path);
    if (native.tryLockFile(file.fd) && (await isStillAt(path, file)))
      return async () => {
        await unlink(path).catch(() => undefined);
        await file.close();
      };
    await file.close();
    await sleep(POLL_MS);
  }
  throw new FileLockError(
    `Another process holds the lock ${path} for more than ${TIMEOUT_MS / 1000} s: end it (fuser ${path})`,
  );
}

async function openLock(path: string): Promise<FileHandle> {
  const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
  // eslint-disable-next-line no-bitwise
  const file = await open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  const { uid } = await file.stat();
  if (uid === process.geteuid!()) return file;
  await file.close();
  throw new FileLockError(`The lock ${path} belongs to user ${uid}: remove it`);
}

/** The process before may have removed the file between the opening and the lock. */
async function isStillAt(path: string, file: FileHandle): Promise<boolean> {
  const [opened, found] = await Promise.all([file.stat(), stat(path).catch(() => undefined)]);
  return found?.ino === opened.ino;
}
