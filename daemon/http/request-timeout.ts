// Bounds how long a client may take to say what it wants. Node's own check for that wakes the process every few seconds for
// as long as a server listens; here only a connection that waits for a request has a timer.
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** For `http.createServer`: turns off what {@link limitRequestTime} does instead. */
export const NO_REQUEST_CHECK = {
  requestTimeout: 0,
  headersTimeout: 0,
  /** The longest that timers can. */
  connectionsCheckingInterval: 0x7f_ff_ff_ff,
};

const TOO_LATE = 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n';

/** Ends connections on which no whole head of a request came within `limitMs`; answers may take longer. */
export function limitRequestTime(server: Server, limitMs: number): void {
  const timers = new WeakMap<Socket, NodeJS.Timeout>();
  const expect = (socket: Socket): void => {
    const giveUp = (): void => void socket.end(TOO_LATE, () => socket.destroy());
    timers.set(socket, setTimeout(giveUp, limitMs).unref());
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
}
