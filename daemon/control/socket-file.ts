// The file of the control socket. No client can connect before its mode is set: the server listens
// under a temporary name, which link(2) then publishes. The socket of a dead daemon is replaced,
// that of a live one never. Daemons that start at once serialize by a lock file beside it, which
// other users cannot open.
import { randomBytes } from 'node:crypto';
import { chmod, link, lstat, mkdir, readdir, rm, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { WeftError } from '../../api/index.ts';
import { lockFile } from './file-lock.ts';

/** Longest path in `sockaddr_un`, without its terminating zero (unix(7)). */
const MAX_SOCKET_PATH_BYTES = 107;
const SUFFIX_BYTES = 4;
const SUFFIX = /^[0-9a-f]{8}$/;
const MAX_PATH_BYTES = MAX_SOCKET_PATH_BYTES - '.'.length - 2 * SUFFIX_BYTES;

/** Why the control socket cannot be created. One line with the remedy. */
export class ControlSocketError extends WeftError {
  /** Whether another process answers there. */
  readonly isTaken: boolean;

  constructor(message: string, options: { readonly isTaken?: boolean; readonly cause?: unknown } = {}) {
    super('CONTROL_SOCKET_FAILED', message, { cause: options.cause });
    this.isTaken = options.isTaken ?? false;
  }
}

/**
 * Makes `server` listen at `path` with mode 0600.
 * @returns a function that removes the file
 * @throws ControlSocketError
 */
export async function listenAt(server: Server, path: string): Promise<() => Promise<void>> {
  checkPath(path);
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    const unlock = await lockFile(`${path}.lock`);
    try {
      return await publish(server, path);
    } finally {
      await unlock();
    }
  } catch (error) {
    server.close();
    throw error instanceof ControlSocketError ? error : describe(error as NodeJS.ErrnoException, path);
  }
}

async function publish(server: Server, path: string): Promise<() => Promise<void>> {
  const temporary = `${path}.${randomBytes(SUFFIX_BYTES).toString('hex')}`;
  await removeLeftovers(path);
  try {
    await listen(server, temporary);
    await chmod(temporary, 0o600);
    await removeStale(path);
    await link(temporary, path);
  } finally {
    await unlink(temporary).catch(() => undefined);
  }
  const { ino } = await lstat(path);
  return () => removeOwn(path, ino);
}

function checkPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (!isAbsolute(path) || path.endsWith('/') || path.includes('\0'))
    throw new ControlSocketError(
      `--control-socket ${JSON.stringify(path)}: must be an absolute path of a file`,
    );
  if (bytes > MAX_PATH_BYTES)
    throw new ControlSocketError(
      `--control-socket ${path}: has ${bytes} bytes, more than the ${MAX_PATH_BYTES} of a socket path; choose a shorter one`,
    );
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Under the lock, nothing else makes files of temporary names: these are of killed processes. */
async function removeLeftovers(path: string): Promise<void> {
  const [folder, name] = [dirname(path), `${basename(path)}.`];
  for (const file of await readdir(folder)) {
    if (!file.startsWith(name) || !SUFFIX.test(file.slice(name.length))) continue;
    const leftover = join(folder, file);
    const found = await lstat(leftover).catch(ignoreAbsence);
    if (found?.isSocket() === true && !(await isLive(leftover))) await unlink(leftover).catch(ignoreAbsence);
  }
}

/** Removes the socket of a dead daemon. @throws ControlSocketError if the path is in use */
async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(ignoreAbsence);
  if (found === undefined) return;
  if (!found.isSocket())
    throw new ControlSocketError(
      `Cannot create the control socket: ${path} exists and is not a socket; remove it, or choose another --control-socket`,
    );
  if (await isLive(path)) throw taken(path);
  await unlink(path).catch(ignoreAbsence);
}

function taken(path: string): ControlSocketError {
  const message = `Another weft daemon answers on ${path}: stop it, or give this one another --control-socket (--control-socket= for none)`;
  return new ControlSocketError(message, { isTaken: true });
}

function ignoreAbsence(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

/** Errors of connect(2) without a listener, or with one that has just closed. */
const NO_LISTENER: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT', 'ECONNRESET']);

/** Whether a process listens. The kernel rejects connections to the socket of a dead process. */
function isLive(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (NO_LISTENER.has(error.code ?? '')) resolve(false);
      // The backlog is full, so a process listens.
      else if (error.code === 'EAGAIN') resolve(true);
      else reject(error);
    });
  });
}

async function removeOwn(path: string, inode: number): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.ino === inode) await rm(path, { force: true });
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied; run as root, or choose --control-socket in a writable folder',
  EROFS: 'the file system is read-only; choose --control-socket elsewhere',
  EISDIR: 'its lock, of the same name with .lock, is a folder; remove it',
  ELOOP: 'its lock, of the same name with .lock, is a symbolic link; remove it',
  ENOTDIR: 'a part of the path is not a folder',
};

function describe(error: NodeJS.ErrnoException, path: string): ControlSocketError {
  const why = REASONS[error.code ?? ''] ?? error.message;
  return new ControlSocketError(`Cannot create the control socket ${path}: ${why}`, { cause: error });
}
