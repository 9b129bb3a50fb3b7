// Limits the connections of a server so that strangers cannot lock out others. At the limit, a new
// connection takes the place of another: of another host before this one, one that waits for a
// request before one that gets an answer, the oldest of the address that has the most.
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

export interface ConnectionLimits {
  readonly maxConnections: number;
  /** Limit of the time for an answer, reading by the client included; default none. */
  readonly answerTimeoutMs?: number;
  /** Default {@link isFromThisHost}. */
  readonly isLocal?: (socket: Socket) => boolean;
}

interface Connection {
  readonly isLocal: boolean;
  /** Requests without a complete answer. */
  answers: number;
}

/** Keeps a connection whose client gets an answer without a request's response: an upgraded one. */
export type Hold = (socket: Socket) => void;

/** Applies `limits` to `server`, in place of `server.maxConnections`. */
export function limitConnections(server: Server, limits: ConnectionLimits): Hold {
  const { maxConnections, answerTimeoutMs, isLocal = isFromThisHost } = limits;
  /** The longest waiting first. */
  const connections = new Map<Socket, Connection>();
  server.on('connection', (socket) => {
    if (connections.size >= maxConnections) {
      const victim = chooseVictim(connections) ?? socket;
      connections.delete(victim);
      victim.destroy();
      if (victim === socket) return;
    }
    connections.set(socket, { isLocal: isLocal(socket), answers: 0 });
    socket.once('close', () => connections.delete(socket));
  });
  server.on('request', ({ socket }, response) => {
    const connection = connections.get(socket);
    if (connection === undefined) return;
    connection.answers++;
    const timer =
      answerTimeoutMs === undefined ? undefined : setTimeout(() => socket.destroy(), answerTimeoutMs).unref();
    response.once('close', () => {
      clearTimeout(timer);
      connection.answers--;
      // Its wait begins now.
      if (connections.delete(socket)) connections.set(socket, connection);
    });
  });
  return (socket) => {
    const connection = connections.get(socket);
    if (connection !== undefined) connection.answers++;
  };
}

/** An answer to this host, for example `weft watch`, never ends for a new connection. */
function chooseVictim(connections: ReadonlyMap<Socket, Connection>): Socket | undefined {
  const find = (isFit: (connection: Connection) => boolean): Socket | undefined =>
    oldestOfMost([...connections].flatMap(([socket, connection]) => (isFit(connection) ? [socket] : [])));
  return (
    find(({ isLocal, answers }) => !isLocal && answers === 0) ??
    find(({ isLocal }) => !isLocal) ??
    find(({ answers }) => answers === 0)
  );
}

function oldestOfMost(sockets: readonly Socket[]): Socket | undefined {
  const counts = new Map<string | undefined, number>();
  for (const { remoteAddress } of sockets) counts.set(remoteAddress, (counts.get(remoteAddress) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return sockets.find(({ remoteAddress }) => counts.get(remoteAddress) === most);
}

/** Whether the client runs on this host: by a Unix socket, loopback or an own address. */
export function isFromThisHost({
  remoteAddress,
  localAddress,
}: Pick<Socket, 'remoteAddress' | 'localAddress'>): boolean {
  if (remoteAddress === undefined || remoteAddress === localAddress) return true;
  return remoteAddress === '::1' || /^(?:::ffff:)?127\./.test(remoteAddress);
}
