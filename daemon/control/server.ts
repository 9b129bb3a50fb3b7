// The control socket: HTTP over a Unix socket of mode 0600. It listens and sets limits; handler.ts
// answers.
import { createServer } from 'node:http';
import { limitConnections } from '../http/connection-limit.ts';
import { limitRequestTime, NO_REQUEST_CHECK } from '../http/request-timeout.ts';
import type { ControlledNode, Endpoint } from './endpoint.ts';
import { createEndpoints } from './endpoints.ts';
import { createControlHandler } from './handler.ts';
import { listenAt } from './socket-file.ts';

export interface ControlServer {
  /** Closes every connection at once and removes the socket. */
  stop(): Promise<void>;
}

/** Limit for the head of a request; answers may take longer. */
const REQUEST_TIMEOUT_MS = 5000;
const MAX_CONNECTIONS = 64;

/** Starts the server at `path`. `renderMetrics` answers /metrics. @throws ControlSocketError */
export async function startControlServer(
  path: string,
  daemon: ControlledNode,
  renderMetrics: Endpoint['handle'],
): Promise<ControlServer> {
  const server = createServer(NO_REQUEST_CHECK, createControlHandler(daemon, createEndpoints(renderMetrics)));
  limitRequestTime(server, REQUEST_TIMEOUT_MS);
  limitConnections(server, { maxConnections: MAX_CONNECTIONS });
  const remove = await listenAt(server, path);
  // Without a listener, the error of one connection would end the process.
  server.on('error', () => undefined);
  return {
    stop: async () => {
      await remove();
      server.close();
      server.closeAllConnections();
    },
  };
}
