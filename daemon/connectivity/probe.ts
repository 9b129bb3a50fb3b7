// One test packet or connection, from the network namespace of this process: ICMP echoes with DF, UDP,
// or a TCP connection that carries some segments in both directions. Never rejects.
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { familyOf, type IpAddress } from '../../lib/address.ts';
import type { LoadedNative } from '../../native/index.ts';
import { formatEchoError } from '../probe/echo-error.ts';
import { Prober } from '../probe/prober.ts';

export interface ProbeSpec {
  readonly kind: 'echo' | 'tcp' | 'udp';
  readonly to: IpAddress;
  /** Of `tcp` and `udp`. */
  readonly port?: number;
  readonly token?: string;
  /** IP packet of `echo` and `udp`, with its headers; payload of `tcp`. */
  readonly bytes: number;
  /** Of `echo`: how many are sent, in quick succession; default: three slow ones, of which one has to be answered. */
  readonly count?: number;
}

export type ProbeOutcome =
  /** `seen`: the source address that the other end saw. */
  | { readonly ok: true; readonly seen?: string; /** Echoes without an answer. */ readonly lost?: number }
  /** `isUntested`: this host cannot send, so that nothing is known of the path. */
  | { readonly ok: false; readonly reason: string; readonly isUntested?: true };

const ATTEMPTS = 3;
/** Of one echo or datagram. */
const ATTEMPT_MS = 1000;
/** A lost SYN is sent again after 1 s. */
const STREAM_MS = 3500;
const UDP_HEADER_BYTES = 8;
const IP_HEADER_BYTES = { 4: 20, 6: 40 } as const;

export async function runProbe(spec: ProbeSpec, addon: LoadedNative): Promise<ProbeOutcome> {
  try {
    switch (spec.kind) {
      case 'echo':
        return await sendEchoes(spec, addon);
      case 'tcp':
        return await openStream(spec);
      case 'udp':
        return await sendDatagrams(spec);
    }
  } catch (error) {
    // No addon, or no socket: what a path does to packets is no exception.
    return { ok: false, isUntested: true, reason: (error as Error).message };
  }
}

async function sendEchoes({ to, bytes, count }: ProbeSpec, addon: LoadedNative): Promise<ProbeOutcome> {
  const prober = new Prober({ addon });
  try {
    const pace = count === undefined ? { count: ATTEMPTS, intervalMs: 200 } : { count, intervalMs: 20 };
    const { received, errors } = await prober.probe(to, {
      ...pace,
      timeoutMs: ATTEMPT_MS,
      packetBytes: bytes,
    });
    if (received > 0) return { ok: true, ...(count !== undefined && { lost: count - received }) };
    const [first] = errors;
    return { ok: false, reason: first === undefined ? 'no answer' : formatEchoError(first.error) };
  } finally {
    prober.close();
  }
}

function openStream({ to, port = 0, token = '', bytes }: ProbeSpec): Promise<ProbeOutcome> {
  return new Promise((resolve) => {
    const socket = connect({ host: to, port });
    const chunks: Buffer[] = [];
    let isOpen = false;
    const end = (outcome: ProbeOutcome): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    const silent = (): string => (isOpen ? `open, but not ${bytes} bytes came back` : 'no answer');
    const timer = setTimeout(() => end({ ok: false, reason: silent() }), STREAM_MS);
    socket.once('connect', () => {
      isOpen = true;
      socket.write(`${token} ${bytes}\n`);
      socket.write(Buffer.alloc(bytes, 0x77));
    });
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.once('error', (error: NodeJS.ErrnoException) => end(failureOf(error)));
    socket.once('end', () => {
      const received = Buffer.concat(chunks);
      const head = received.indexOf('\n');
      if (head < 0 || received.length - head - 1 < bytes) return end({ ok: false, reason: silent() });
      end({ ok: true, seen: received.toString('latin1', 0, head) });
    });
  });
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused: what answers is not the test endpoint, or a rule rejects',
  ECONNRESET: 'reset',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network unreachable',
  EACCES: 'prohibited by a rule or route',
};
/** This host has no socket, memory or port to send from. */
const OWN_ERRORS = new Set(['EADDRNOTAVAIL', 'EMFILE', 'ENFILE', 'ENOMEM']);

/** What an error of a socket shows. Pure. */
export function failureOf({ code = '', message }: NodeJS.ErrnoException): ProbeOutcome {
  if (OWN_ERRORS.has(code)) return { ok: false, isUntested: true, reason: message };
  return { ok: false, reason: REASONS[code] ?? message };
}

/** The kernel sets DF on datagrams that fit the path MTU which it knows (IP_PMTUDISC_WANT). */
async function sendDatagrams({ to, port = 0, token = '', bytes }: ProbeSpec): Promise<ProbeOutcome> {
  const family = familyOf(to);
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
  const message = Buffer.alloc(bytes - UDP_HEADER_BYTES - IP_HEADER_BYTES[family], 0x20);
  message.write(`${token} `);
  let failure: ProbeOutcome = { ok: false, reason: 'no answer' };
  const fail = (error: Error): void => void (failure = failureOf(error));
  const answered = new Promise<string>((resolve) => {
    socket.on('error', fail);
    socket.on('message', (answer) => {
      const [sent, seen = ''] = answer.toString('latin1', 0, 64).split(' ');
      if (sent === token && answer.length === message.length) resolve(seen);
    });
  });
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      socket.send(message, port, to, (error) => {
        if (error !== null) fail(error);
      });
      const seen = await Promise.race([answered, sleep(ATTEMPT_MS)]);
      if (seen !== undefined) return { ok: true, seen };
    }
    return failure;
  } finally {
    socket.close();
  }
}
