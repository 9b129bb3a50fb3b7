// What test packets are sent to: TCP and UDP on one address, which send back as many bytes, and first
// the source address that they saw. Only packets that begin with the token are answered, none with more
// bytes than it has, and no connection lasts.
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { ListenerV1 } from '../../api/index.ts';

/** Longest payload of a connection. */
export const MAX_STREAM_BYTES = 64 * 1024;
const MAX_CONNECTIONS = 16;
const CONNECTION_TIMEOUT_MS = 5000;
/** Token, blank, length and newline. */
const MAX_HEAD_BYTES = 64;

export interface Listener extends ListenerV1 {
  close(): void;
}

/** @throws Error of the kernel if no host address is `address` */
export async function listen(address: string, token: string): Promise<Listener> {
  const server = createServer({ allowHalfOpen: true }, (socket) => answerStream(socket, token));
  server.maxConnections = MAX_CONNECTIONS;
  const datagrams = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  try {
    await Promise.all([listenOn(server, address), bindTo(datagrams, address)]);
  } catch (error) {
    closeBoth(server, datagrams);
    throw error;
  }
  answerDatagrams(datagrams, token);
  return {
    address,
    tcp: (server.address() as AddressInfo).port,
    udp: datagrams.address().port,
    close: () => closeBoth(server, datagrams),
  };
}

function listenOn(server: Server, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port: 0 }, () => {
      server.off('error', reject).on('error', () => undefined);
      resolve();
    });
  });
}

function bindTo(socket: DatagramSocket, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address, port: 0 }, () => {
      socket.off('error', reject).on('error', () => undefined);
      resolve();
    });
  });
}

function closeBoth(server: Server, datagrams: DatagramSocket): void {
  server.close();
  try {
    datagrams.close();
  } catch {
    // It was never bound.
  }
}

function answerStream(socket: Socket, token: string): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  socket.on('error', () => undefined);
  const timer = setTimeout(() => socket.destroy(), CONNECTION_TIMEOUT_MS).unref();
  socket.once('close', () => clearTimeout(timer));
  socket.on('data', (chunk) => {
    bytes += chunk.length;
    if (bytes > MAX_STREAM_BYTES + MAX_HEAD_BYTES) return void socket.destroy();
    chunks.push(chunk);
    const payload = payloadOf(Buffer.concat(chunks), token);
    if (payload === 'wrong') socket.destroy();
    else if (payload !== undefined) socket.end(Buffer.concat([headOf(socket), payload]));
  });
}

/** `undefined` until it is complete. */
function payloadOf(received: Buffer, token: string): Buffer | 'wrong' | undefined {
  const end = received.indexOf('\n');
  if (end < 0) return received.length > MAX_HEAD_BYTES ? 'wrong' : undefined;
  const [sent, length = ''] = received.toString('latin1', 0, end).split(' ');
  if (sent !== token || !/^\d{1,5}$/.test(length) || Number(length) > MAX_STREAM_BYTES) return 'wrong';
  const payload = received.subarray(end + 1);
  return payload.length < Number(length) ? undefined : payload;
}

const headOf = ({ remoteAddress = '' }: Socket): Buffer => Buffer.from(`${plain(remoteAddress)}\n`);

function answerDatagrams(socket: DatagramSocket, token: string): void {
  socket.on('message', (message, { address, port }) => {
    const head = Buffer.from(`${token} ${plain(address)} `);
    if (message.length < head.length || message.toString('latin1', 0, token.length) !== token) return;
    socket.send(Buffer.concat([head, message.subarray(head.length)]), port, address, () => undefined);
  });
}

/** Without the zone of a link-local address. */
function plain(address: string): string {
  return address.replace(/%.*$/, '');
}
