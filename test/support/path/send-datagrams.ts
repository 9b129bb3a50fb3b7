// Sends datagrams, in the network namespace that it is started in: a JSON document DatagramsToSend on standard input.
import { createSocket } from 'node:dgram';
import { text } from 'node:stream/consumers';

export interface DatagramsToSend {
  /** Source address. */
  readonly local: string;
  readonly remote: string;
  readonly port: number;
  /** Payloads in hexadecimal digits. */
  readonly payloads: readonly string[];
}

const { local, remote, port, payloads } = JSON.parse(await text(process.stdin)) as DatagramsToSend;
const socket = createSocket(local.includes(':') ? 'udp6' : 'udp4');
await new Promise<void>((resolve) => socket.bind(0, local, resolve));
for (const payload of payloads)
  await new Promise<void>((resolve, reject) => {
    socket.send(Buffer.from(payload, 'hex'), port, remote, (error) => (error ? reject(error) : resolve()));
  });
socket.close();
