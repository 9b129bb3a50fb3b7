// strongSwan's IKE daemon as a child process. It is started when it is needed and none listens, and
// outlives this process: SAs that it negotiated keep carrying packets, and the next daemon finds it
// by its socket.
import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Where flannel finds it, after PATH. */
const FOLDERS = ['/usr/lib/strongswan', '/usr/lib/ipsec', '/usr/libexec/strongswan', '/usr/libexec/ipsec'];
export const VICI_SOCKET = '/var/run/charon.vici';
const START_TIMEOUT_MS = 5000;
const POLL_MS = 50;

export const NO_CHARON =
  'charon is not installed: install strongSwan with its plugin vici (Debian: strongswan-charon, strongswan-swanctl, libstrongswan-standard-plugins)';

/** Path of the program; `undefined` if it is not installed. */
export async function findCharon(path = process.env['PATH'] ?? ''): Promise<string | undefined> {
  for (const folder of [...path.split(delimiter).filter(Boolean), ...FOLDERS]) {
    const file = join(folder, 'charon');
    if (await isThere(file, constants.X_OK)) return file;
  }
  return undefined;
}

/** Starts charon and waits until it listens. @throws Error with the remedy. */
export async function startCharon(
  socket: string,
  find: () => Promise<string | undefined> = findCharon,
): Promise<void> {
  const program = await find();
  if (program === undefined) throw new Error(NO_CHARON);
  let error = '';
  // A session of its own: a signal to the daemon's terminal is not one to charon.
  const child = spawn(program, [], { cwd: '/', detached: true, stdio: 'ignore' });
  child.once('error', (failure) => (error = failure.message));
  child.once('exit', (code, signal) => {
    error ||= `it ended with ${signal ?? `code ${code}`}; is another charon running, or its plugin vici missing?`;
  });
  child.unref();
  for (let waitedMs = 0; waitedMs < START_TIMEOUT_MS; waitedMs += POLL_MS) {
    await sleep(POLL_MS);
    if (error !== '') throw new Error(`cannot start ${program}: ${error}`);
    if (await isListening(socket)) return;
  }
  throw new Error(
    `${program} does not listen at ${socket} after ${START_TIMEOUT_MS / 1000} s: is its plugin vici missing?`,
  );
}

/** A charon that was killed leaves its socket in the file system. */
function isListening(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket, () => resolve(true));
    connection.once('error', () => resolve(false)).once('connect', () => connection.destroy());
  });
}

function isThere(path: string, mode = constants.F_OK): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
