// A TCP proxy on loopback that injects network faults: silence, resets, delay.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

export class TcpProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** The sockets whose data are answers. */
  readonly #servers = new Set<Socket>();
  #held: 'nothing' | 'answers' | 'all' = 'nothing';
  #delayMs = 0;
  /** Connections accepted so far. */
  accepted = 0;

  private constructor(targetPort: number) {
    this.#server = createServer((client) => this.#accept(client, targetPort));
  }

  /** Starts a proxy in front of 127.0.0.1:`targetPort`. The caller closes it. */
  static async start(targetPort: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Becomes a black hole: connections stay, nothing passes. What is sent meanwhile arrives after {@link pass}. */
  hold(): void {
    this.#hold('all');
  }

  /** Lets requests through and holds the answers back. */
  holdAnswers(): void {
    this.#hold('answers');
  }

  /** Lets everything through again. */
  pass(): void {
    this.#held = 'nothing';
    for (const socket of this.#sockets) socket.resume();
  }

  /** Delays each chunk in both directions by `delayMs`. */
  delay(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  /** Resets all connections that there are. */
  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.reset();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(client: Socket, targetPort: number): void {
    this.accepted++;
    const server = connect(targetPort, '127.0.0.1');
    this.#servers.add(server);
    this.#join(client, server);
    this.#join(server, client);
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on('data', (chunk) => {
      if (this.#delayMs === 0) to.write(chunk);
      else setTimeout(() => to.write(chunk), this.#delayMs);
    });
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      this.#servers.delete(from);
      to.destroy();
    });
    if (this.#isHeld(from)) from.pause();
  }
  #hold(what: 'answers' | 'all'): void {
    this.#held = what;
    for (const socket of this.#sockets) if (this.#isHeld(socket)) socket.pause();
  }

  #isHeld(socket: Socket): boolean {
    return this.#held === 'all' || (this.#held === 'answers' && this.#servers.has(socket));
  }
}
