// WireGuard devices of userspace programs (wireguard-go, boringtun) by their sockets. One
// connection a request: the programs serve many, and a dead one fails that request alone.
import { createConnection } from 'node:net';
import { existsSync } from 'node:fs';
import { DONE, KernelReadError, kernelRejection, type Outcome } from '../netlink/outcome.ts';
import { decodeUapiDevice, decodeUapiErrno, encodeUapiPeer, encodeUapiSet, UAPI_GET } from './uapi.ts';
import type { WireguardControl, WireguardPeerStep } from './wireguard-control.ts';
import type { WireguardDeviceChange, WireguardDeviceMessage } from './wireguard-model.ts';

/** Folder of the sockets, which the programs have compiled in. */
const SOCKET_FOLDER = '/var/run/wireguard';
const TIMEOUT_MS = 5000;
/** A device of 10,000 peers answers 4 MB. */
const MAX_ANSWER_BYTES = 64 << 20;

export interface UapiOptions {
  /** Default {@link SOCKET_FOLDER}. */
  readonly folder?: string;
  /** How long to wait for an answer, in ms; default 5000. */
  readonly timeoutMs?: number;
}

export class UapiWireguard implements WireguardControl {
  readonly #folder: string;
  readonly #timeoutMs: number;

  constructor({ folder = SOCKET_FOLDER, timeoutMs = TIMEOUT_MS }: UapiOptions = {}) {
    this.#folder = folder;
    this.#timeoutMs = timeoutMs;
  }

  /** Whether a program has, or had, a socket for the device. */
  hasSocket(name: string): boolean {
    return existsSync(this.#pathOf(name));
  }

  async read(name: string): Promise<WireguardDeviceMessage | undefined> {
    try {
      const answer = await this.#request(name, UAPI_GET);
      return decodeUapiErrno(answer) === 0 ? decodeUapiDevice(answer) : undefined;
    } catch (error) {
      const { code = 'ETIMEDOUT', message } = error as NodeJS.ErrnoException;
      // The socket of a program that has ended stays.
      if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined;
      throw new KernelReadError(`WireGuard device ${name}`, code, message);
    }
  }

  setDevice(name: string, change: WireguardDeviceChange): Promise<Outcome> {
    return this.#set(name, encodeUapiSet(change));
  }

  async applyPeers(name: string, steps: readonly WireguardPeerStep[]): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    for (const step of steps) outcomes.push(await this.#set(name, encodeUapiPeer(step)));
    return outcomes;
  }

  close(): void {
    // Connections last for one request.
  }

  async #set(name: string, text: string): Promise<Outcome> {
    try {
      const errno = decodeUapiErrno(await this.#request(name, text));
      if (errno === undefined) return { status: 'unknown', message: `${name} gave no answer` };
      return errno === 0 ? DONE : kernelRejection(-errno, `the program of ${name} rejects it`);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ECONNREFUSED')
        return { status: 'rejected', errno: 'ENODEV', message: `ENODEV: no program serves ${name}` };
      return { status: 'unknown', message };
    }
  }

  /** Sends one request; resolves with all up to the empty line, or what came before the end. */
  #request(name: string, text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(this.#pathOf(name));
      const chunks: Buffer[] = [];
      let size = 0;
      const finish = (end: () => void): void => {
        socket.destroy();
        end();
      };
      socket.setTimeout(this.#timeoutMs, () =>
        finish(() => reject(new Error(`${name} gave no answer within ${this.#timeoutMs} ms`))),
      );
      socket.on('error', (error) => finish(() => reject(error)));
      socket.on('data', (chunk) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > MAX_ANSWER_BYTES) finish(() => reject(new Error(`${name} answers without end`)));
        else if (isEnd(chunks)) finish(() => resolve(Buffer.concat(chunks).toString('utf8')));
      });
      socket.on('end', () => finish(() => resolve(Buffer.concat(chunks).toString('utf8'))));
      socket.write(text);
    });
  }

  #pathOf(name: string): string {
    return `${this.#folder}/${name}.sock`;
  }
}

function isEnd(chunks: readonly Buffer[]): boolean {
  const last = chunks.at(-1)!;
  const tail = last.length >= 2 || chunks.length === 1 ? last : Buffer.concat(chunks.slice(-2));
  return tail.subarray(-2).toString('latin1') === '\n\n';
}
