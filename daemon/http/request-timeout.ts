// Limits the time for the head of a request. Node's own check wakes the process periodically for as
// long as a server listens; here a timer exists only while a connection waits for a request.
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** For `http.createServer`: turns off the check that {@link limitRequestTime} replaces. */
export const NO_REQUEST_CHECK = {
  requestTimeout: 0,
  headersTimeout: 0,
  /** The longest delay of a timer. */
  connectionsCheckingInterval: 0x7f_ff_ff_ff,
};

const TIMEOUT_RESPONSE = 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n';

/**
 * Closes connections without a complete request head within `limitMs`. Answers may take longer.
 * @returns a function that exempts a connection, which is one of HTTP no longer
 */
export function limitRequestTime(server: Server, limitMs: number): (socket: Socket) => void {
  const timers = new WeakMap<Socket, NodeJS.Timeout>();
  const expect = (socket: Socket): void => {
    const expire = (): void => void socket.end(TIMEOUT_RESPONSE, () => socket.destroy());
    timers.set(socket, setTimeout(expire, limitMs).unref());
  };
  const stop = (socket: Socket): void => clearTimeout(timers.get(socket));
  server.on('connection', (socket) => {
    expect(socket);
    socket.once('close', () => stop(socket));
  });
  server.on('request', ({ socket }, response) => {
    stop(socket);
    response.once('close', () => {
      if (!socket.destroyed) expect(socket);
    });
  });
  return stop;
}
