// One attempt of one call on one channel, in the shape that etcd3's typed service clients want: it
// adds deadline, token, leader requirement and cancellation, and rejects with the bare gRPC error.
// Retries nothing.
import { KVClient, LeaseClient } from 'etcd3/lib/rpc.js';
import type { ICallable } from 'etcd3/lib/rpc.js';
import type { EtcdChannel, ServiceConnection } from './channel.ts';

type ServiceName = Parameters<EtcdChannel['service']>[0];
type UnaryCallback = (error: Error | null, response: unknown) => void;
interface UnaryClient {
  [method: string]: (
    payload: unknown,
    metadata: ServiceConnection['metadata'],
    options: object,
    callback: UnaryCallback,
  ) => { cancel(): void };
}

export interface RpcOptions {
  readonly channel: EtcdChannel;
  /**
   * Point on the wall clock, in ms since the epoch, as gRPC wants it; unset for a stream that
   * stays.
   */
  readonly deadlineMs?: number;
  readonly token?: string | undefined;
  readonly signal: AbortSignal;
  readonly onCall: (rpc: string) => void;
}

export class EtcdRpc implements ICallable<undefined> {
  readonly callOptionsFactory = undefined;
  readonly #options: RpcOptions;

  constructor(options: RpcOptions) {
    this.#options = options;
  }

  get kv(): KVClient {
    return new KVClient(this);
  }

  get lease(): LeaseClient {
    return new LeaseClient(this);
  }

  /** Options that a stream must be opened with. */
  get streamOptions(): { deadline?: number } {
    const { deadlineMs } = this.#options;
    return deadlineMs === undefined ? {} : { deadline: deadlineMs };
  }

  get channel(): EtcdChannel {
    return this.#options.channel;
  }

  get signal(): AbortSignal {
    return this.#options.signal;
  }

  /** Sends a unary request. Called by etcd3's service clients. */
  async exec<T>(service: ServiceName, method: string, payload: unknown): Promise<T> {
    const { channel, signal } = this.#options;
    const { client, metadata } = await this.#connection(service);
    signal.throwIfAborted();
    this.#options.onCall(`${service}.${method}`);
    return new Promise<T>((resolve, reject) => {
      const unary = (client as unknown as UnaryClient)[method]?.bind(client);
      if (unary === undefined) return reject(new TypeError(`etcd3 has no ${service}.${method}`));
      const call = unary(payload, metadata, this.streamOptions, (error, response) => {
        signal.removeEventListener('abort', cancel);
        if (error !== null) return reject(error);
        channel.touch();
        resolve(response as T);
      });
      const cancel = (): void => call.cancel();
      signal.addEventListener('abort', cancel, { once: true });
    });
  }

  /** Opens a stream. Called by etcd3's service clients. */
  async withConnection<R>(
    service: ServiceName,
    open: (connection: ServiceConnection & { resource: undefined }) => Promise<R> | R,
  ): Promise<R> {
    const connection = await this.#connection(service);
    this.#options.onCall(service === 'Watch' ? 'Watch.watch' : 'Lease.leaseKeepAlive');
    return open({ ...connection, resource: undefined });
  }

  /** etcd3 reports failed streams here; who opened the stream knows already. */
  markFailed(): void {}

  async #connection(service: ServiceName): Promise<ServiceConnection> {
    const connection = await this.#options.channel.service(service);
    if (this.#options.token !== undefined) connection.metadata.set('token', this.#options.token);
    // A member cut off from its cluster must refuse a watch or read, not serve it silently from the
    // past.
    connection.metadata.set('hasleader', 'true');
    return connection;
  }
}
