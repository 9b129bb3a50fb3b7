// The control socket: HTTP over a Unix socket that only this user can connect to. Listens and bounds; handler.ts answers.
import { createServer } from 'node:http';
import { limitRequestTime, NO_REQUEST_CHECK } from '../http/request-timeout.ts';
import type { DaemonView } from '../view/node-view.ts';
import { ENDPOINTS } from './endpoints.ts';
import { createControlHandler } from './handler.ts';
import { listenAt } from './socket-file.ts';

export interface ControlServer {
  /** Closes every connection at once and removes the socket. */
  stop(): Promise<void>;
}

/** Bounds how long a client may take to say what it wants; answers may take longer. */
const REQUEST_TIMEOUT_MS = 5000;
const MAX_CONNECTIONS = 64;

/** Starts to answer at `path`. @throws ControlSocketError */
export async function startControlServer(path: string, daemon: DaemonView): Promise<ControlServer> {
  const server = createServer(NO_REQUEST_CHECK, createControlHandler(daemon, ENDPOINTS));
  limitRequestTime(server, REQUEST_TIMEOUT_MS);
  server.maxConnections = MAX_CONNECTIONS;
  const remove = await listenAt(server, path);
  // Errors of single connections must not end the daemon.
  server.on('error', () => undefined);
  return {
    stop: async () => {
      await remove();
      server.close();
      server.closeAllConnections();
    },
  };
}
