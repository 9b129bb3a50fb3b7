// A connection to charon's VICI socket: one command at a time, each with an answer and a time limit.
// A connection that fails is given up, and the next command opens another.
import { connect, type Socket } from 'node:net';
import { decodePacket, encodePacket, MAX_PACKET_BYTES, PACKET, type ViciSection } from './vici-message.ts';

/** charon does not listen, does not answer, or rejects a command. */
export class ViciError extends Error {
  /** `ENOENT`, `ECONNREFUSED` and so on if there is no connection. */
  readonly code: string;

  constructor(message: string, code = '') {
    super(message);
    this.code = code;
  }
}

const TIMEOUT_MS = 10_000;

export class ViciClient {
  readonly #path: string;
  readonly #onClosed: () => void;
  #socket: Socket | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** @param onClosed - charon closed the connection, which it does when it ends. */
  constructor(path: string, onClosed: () => void = () => undefined) {
    this.#path = path;
    this.#onClosed = onClosed;
  }

  /** @throws ViciError, also if the answer has `success` other than yes. */
  call(command: string, message: ViciSection = {}): Promise<ViciSection> {
    const answer = this.#last.then(() => this.#call(command, message));
    this.#last = answer.catch(() => undefined);
    return answer;
  }

  close(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
  }

  async #call(command: string, message: ViciSection): Promise<ViciSection> {
    const socket = (this.#socket ??= await this.#connect());
    try {
      const body = await exchange(
        socket,
        encodePacket({ type: PACKET.request, name: command, message }),
        command,
      );
      const answer = decodePacket(body);
      if (answer.type === PACKET.unknownCommand) throw new ViciError(`charon has no command ${command}`);
      const { success = 'yes', errmsg = '' } = answer.message;
      if (success !== 'yes')
        throw new ViciError(`charon rejects ${command}: ${JSON.stringify(errmsg).slice(1, -1)}`);
      return answer.message;
    } catch (error) {
      // After a rejection the connection is as good as before.
      if (!(error instanceof ViciError) || error.code !== '') this.close();
      throw error;
    }
  }

  #connect(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.#path);
      socket.once('connect', () => resolve(socket));
      socket.once('close', () => {
        if (this.#socket !== socket) return;
        this.#socket = undefined;
        this.#onClosed();
      });
      // It stays: without a listener a later error would end the process.
      socket.on('error', (error: NodeJS.ErrnoException) =>
        reject(new ViciError(`cannot connect to charon at ${this.#path}: ${error.message}`, error.code)),
      );
    });
  }
}

/** Sends `bytes`; resolves with the next packet, without its length. */
function exchange(socket: Socket, bytes: Buffer, command: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      socket.off('data', onData).off('error', onError).off('close', onClose);
      settle();
    };
    const fail = (why: string, code: string): void =>
      end(() => reject(new ViciError(`charon does not answer ${command}: ${why}`, code)));
    const onError = (error: NodeJS.ErrnoException): void => fail(error.message, error.code ?? 'EIO');
    const onClose = (): void => fail('it closed the connection', 'ECONNRESET');
    const onData = (data: Buffer): void => {
      received = Buffer.concat([received, data]);
      if (received.length < 4) return;
      const length = received.readUInt32BE(0);
      if (length > MAX_PACKET_BYTES) return fail(`a packet of ${length} bytes`, 'EMSGSIZE');
      if (received.length >= 4 + length) end(() => resolve(received.subarray(4, 4 + length)));
    };
    const timer = setTimeout(() => fail(`nothing for ${TIMEOUT_MS / 1000} s`, 'ETIMEDOUT'), TIMEOUT_MS);
    socket.on('data', onData).on('error', onError).on('close', onClose);
    socket.write(bytes);
  });
}
