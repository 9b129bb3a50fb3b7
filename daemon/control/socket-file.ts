// The file of the control socket: made so that nobody can connect before its mode is right, taken over from a daemon that
// died, never from one that lives. The server listens under a name of its own, which then gets the real name by link(2).
// Of daemons that start at once one after the other does so: they take turns by an abstract socket, which the kernel
// frees when its process ends, however it ends.
import { createHash, randomBytes } from 'node:crypto';
import { chmod, link, lstat, mkdir, rm, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { dirname, isAbsolute } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Bytes of a path that fit into `sockaddr_un` with the closing zero. */
const MAX_SOCKET_PATH_BYTES = 107;
const SUFFIX_BYTES = 4;
/** A turn takes a few system calls. */
const TURN_POLL_MS = 5;
const TURN_MAX_MS = 2000;
const MAX_PATH_BYTES = MAX_SOCKET_PATH_BYTES - '.'.length - 2 * SUFFIX_BYTES;

/** Why the socket cannot be had. One line with the remedy. */
export class ControlSocketError extends Error {
  /** Whether another process answers there. */
  readonly isTaken: boolean;

  constructor(message: string, options: { readonly isTaken?: boolean; readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'ControlSocketError';
    this.isTaken = options.isTaken ?? false;
  }
}

/** Lets `server` listen at `path`, mode 0600. Resolves with what removes the file. @throws ControlSocketError */
export async function listenAt(server: Server, path: string): Promise<() => Promise<void>> {
  checkPath(path);
  const own = `${path}.${randomBytes(SUFFIX_BYTES).toString('hex')}`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await listen(server, own);
    await chmod(own, 0o600);
    await takeName(own, path);
    const { ino } = await lstat(path);
    return () => removeOwn(path, ino);
  } catch (error) {
    server.close();
    throw error instanceof ControlSocketError ? error : describe(error as NodeJS.ErrnoException, path);
  } finally {
    await unlink(own).catch(() => undefined);
  }
}

function checkPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (!isAbsolute(path) || path.endsWith('/') || path.includes('\0'))
    throw new ControlSocketError(
      `--control-socket ${JSON.stringify(path)}: must be an absolute path of a file`,
    );
  if (bytes > MAX_PATH_BYTES)
    throw new ControlSocketError(
      `--control-socket ${path}: has ${bytes} bytes, and a socket can have ${MAX_PATH_BYTES}; choose a shorter path`,
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

async function takeName(own: string, path: string): Promise<void> {
  const leave = await takeTurn(path);
  try {
    await clearAway(path);
    await link(own, path);
  } finally {
    leave();
  }
}

/** Waits until no other process is about to take `path`; returns what ends the turn. */
async function takeTurn(path: string): Promise<() => void> {
  const name = `\0weft-control-${createHash('sha256').update(path).digest('hex').slice(0, 32)}`;
  for (let waitedMs = 0; ; waitedMs += TURN_POLL_MS) {
    const turn = createServer();
    try {
      await listen(turn, name);
      return () => void turn.close();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || waitedMs >= TURN_MAX_MS) throw error;
    }
    await sleep(TURN_POLL_MS);
  }
}

/** Removes the socket of a dead daemon. */
async function clearAway(path: string): Promise<void> {
  const found = await lstat(path).catch(onlyAbsence);
  if (found === undefined) return;
  if (!found.isSocket())
    throw new ControlSocketError(
      `Cannot make the control socket: ${path} exists and is no socket; remove it, or choose another --control-socket`,
    );
  if (await isLive(path)) throw taken(path);
  await unlink(path).catch(onlyAbsence);
}

function taken(path: string): ControlSocketError {
  const message = `Another weft daemon answers on ${path}: stop it, or give this one another --control-socket (--control-socket= for none)`;
  return new ControlSocketError(message, { isTaken: true });
}

function onlyAbsence(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

/** What connect(2) says where nobody listens, or just stopped to. */
const GONE: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT', 'ECONNRESET']);

/** Whether somebody listens; the kernel refuses connections to what a dead process left. */
function isLive(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (GONE.has(error.code ?? '')) resolve(false);
      // Its queue is full: it is there, but slow.
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
  EACCES: 'permission denied; run as root, or choose --control-socket in a folder that is yours',
  EROFS: 'the file system is read-only; choose --control-socket elsewhere',
  ENOTDIR: 'a part of the path is no folder',
};

function describe(error: NodeJS.ErrnoException, path: string): ControlSocketError {
  const why = REASONS[error.code ?? ''] ?? error.message;
  return new ControlSocketError(`Cannot make the control socket ${path}: ${why}`, { cause: error });
}
