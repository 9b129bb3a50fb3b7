// The control socket: HTTP over a Unix socket of mode 0600. It listens and sets limits; handler.ts
// answers, and what `serveCni` makes of connections that leave HTTP.
import { createServer, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
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

/** Serves a connection of weft-cni, which closes it. `head` is what it has sent already. */
export type ServeCni = (connection: Duplex, head: Buffer) => void;

/** The request of native/cni/session.c. Other versions of the protocol get other names. */
const CNI_PATH = '/v1/cni';
const CNI_PROTOCOL = 'weft-cni/1';

/** Limit for the head of a request; answers may take longer. */
const REQUEST_TIMEOUT_MS = 5000;
const MAX_CONNECTIONS = 64;
const NO_UPGRADE = 'HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n';

/**
 * Starts the server at `path`. `renderMetrics` answers /metrics.
 * @throws ControlSocketError
 */
export async function startControlServer(
  path: string,
  daemon: ControlledNode,
  renderMetrics: Endpoint['handle'],
  serveCni: ServeCni,
): Promise<ControlServer> {
  const server = createServer(NO_REQUEST_CHECK, createControlHandler(daemon, createEndpoints(renderMetrics)));
  const exempt = limitRequestTime(server, REQUEST_TIMEOUT_MS);
  const hold = limitConnections(server, { maxConnections: MAX_CONNECTIONS });
  const upgraded = new Set<Socket>();
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    exempt(socket);
    hold(socket);
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    // A client that disconnects is no error.
    socket.on('error', () => undefined);
    if (request.url === CNI_PATH && request.headers.upgrade === CNI_PROTOCOL) serveCni(socket, head);
    else socket.end(NO_UPGRADE);
  });
  const remove = await listenAt(server, path);
  // Without a listener, the error of one connection would end the process.
  server.on('error', () => undefined);
  return {
    stop: async () => {
      await remove();
      server.close();
      server.closeAllConnections();
      for (const socket of upgraded) socket.destroy();
    },
  };
}
