// Answers commands of CNI over connections to the control socket. The daemon only plans: files are
// read and plugins are started by the program at the other end (native/cni), with its own rights and
// in its own namespaces, which may differ from the daemon's in a container.
import type { Duplex } from 'node:stream';
import { planAnswer, type Answer } from './answer.ts';
import { encodeFrame, FrameReader, type Frame } from './frames.ts';
import type { Plan, Step } from './plan.ts';
import { decodeReply, encodeStep } from './remote-host.ts';

/** Of the control socket's connections; the rest are for commands. A client without one falls back. */
export const MAX_SESSIONS = 32;
const REJECTION = 'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n';
const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: weft-cni/1\r\n\r\n';

/** Connections that are served. */
const sessions = new Set<Duplex>();

/** Serves a connection that has asked for it, and closes it. `head` is what it has sent since. */
export function serveCni(connection: Duplex, head: Buffer): void {
  if (connection.destroyed) return;
  if (sessions.size >= MAX_SESSIONS) return void connection.end(REJECTION);
  sessions.add(connection);
  connection.once('close', () => sessions.delete(connection));
  const session = new Session(connection);
  connection.on('data', (chunk: Buffer) => session.receive(chunk));
  // Sockets of HTTP stay half open otherwise.
  connection.once('end', () => connection.destroy());
  connection.write(SWITCHING);
  session.receive(head);
}

class Session {
  readonly #connection: Duplex;
  readonly #reader = new FrameReader();
  #plan: Plan<Answer> | undefined;
  #step: Step | undefined;

  constructor(connection: Duplex) {
    this.#connection = connection;
  }

  /** What is no reply ends the connection; the program then falls back to the plugin in JavaScript. */
  receive(chunk: Buffer): void {
    this.#reader.push(chunk);
    try {
      for (;;) {
        const frame = this.#reader.next();
        if (frame === undefined) return;
        this.#continue(this.#advance(frame));
      }
    } catch {
      this.#connection.destroy();
    }
  }

  #advance(frame: Frame): IteratorResult<Step, Answer> {
    if (this.#plan === undefined) {
      const [input = '', ...variables] = frame.fields;
      this.#plan = planAnswer(environmentOf(variables), input);
      return this.#plan.next();
    }
    if (this.#step === undefined) throw new RangeError('A reply without a step');
    let result: unknown;
    try {
      result = decodeReply(this.#step, frame);
    } catch (error) {
      if (error instanceof RangeError) throw error;
      return this.#plan.throw(error);
    }
    return this.#plan.next(result);
  }

  #continue({ done, value }: IteratorResult<Step, Answer>): void {
    this.#step = done === true ? undefined : value;
    const frame =
      done === true ? { operation: 'a', fields: [String(value.exitCode), value.text] } : encodeStep(value);
    this.#connection.write(encodeFrame(frame));
  }
}

function environmentOf(variables: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    variables.flatMap((variable) => {
      const end = variable.indexOf('=');
      return variable.startsWith('CNI_') && end > 0
        ? [[variable.slice(0, end), variable.slice(end + 1)]]
        : [];
    }),
  );
}
