// One attempt of one call on one channel: adds deadline, token, leader requirement and cancellation, and
// rejects with the bare gRPC error. Retries nothing.
import { Metadata, type ClientDuplexStream } from '@grpc/grpc-js';
import type { EtcdChannel } from './channel.ts';
import type {
  AuthenticateRequest,
  AuthenticateResponse,
  DeleteRangeRequest,
  LeaseGrantRequest,
  LeaseRequest,
  LeaseResponse,
  ListResponse,
  PutRequest,
  RangeRequest,
  RangeResponse,
  Response,
  TxnRequest,
  TxnResponse,
  WatchRequest,
  WatchResponse,
} from './wire/messages.ts';
import * as methods from './wire/methods.ts';
import type { Method } from './wire/methods.ts';

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

export class EtcdRpc {
  readonly #options: RpcOptions;

  constructor(options: RpcOptions) {
    this.#options = options;
  }

  get channel(): EtcdChannel {
    return this.#options.channel;
  }

  get signal(): AbortSignal {
    return this.#options.signal;
  }

  range(request: RangeRequest): Promise<RangeResponse> {
    return this.#unary(methods.RANGE, request);
  }

  put(request: PutRequest): Promise<Response> {
    return this.#unary(methods.PUT, request);
  }

  deleteRange(request: DeleteRangeRequest): Promise<Response> {
    return this.#unary(methods.DELETE_RANGE, request);
  }

  txn(request: TxnRequest): Promise<TxnResponse> {
    return this.#unary(methods.TXN, request);
  }

  /** A transaction that has nothing but ranges. */
  list(request: TxnRequest): Promise<ListResponse> {
    return this.#unary(methods.LIST, request);
  }

  leaseGrant(request: LeaseGrantRequest): Promise<LeaseResponse> {
    return this.#unary(methods.LEASE_GRANT, request);
  }

  leaseRevoke(request: LeaseRequest): Promise<Response> {
    return this.#unary(methods.LEASE_REVOKE, request);
  }

  authenticate(request: AuthenticateRequest): Promise<AuthenticateResponse> {
    return this.#unary(methods.AUTHENTICATE, request);
  }

  leaseKeepAlive(): ClientDuplexStream<LeaseRequest, LeaseResponse> {
    return this.#stream(methods.LEASE_KEEP_ALIVE);
  }

  watch(): ClientDuplexStream<WatchRequest, WatchResponse> {
    return this.#stream(methods.WATCH);
  }

  async #unary<Request, Answer>(method: Method<Request, Answer>, request: Request): Promise<Answer> {
    const { channel, onCall, signal } = this.#options;
    const { client } = channel;
    signal.throwIfAborted();
    onCall(method.name);
    return new Promise<Answer>((resolve, reject) => {
      const { decode, encode, path } = method;
      const onAnswer = (error: Error | null, answer?: Answer): void => {
        signal.removeEventListener('abort', cancel);
        if (error !== null) return reject(error);
        channel.touch();
        resolve(answer as Answer);
      };
      const metadata = this.#metadata();
      const call = client.makeUnaryRequest(path, encode, decode, request, metadata, this.#deadline, onAnswer);
      const cancel = (): void => call.cancel();
      signal.addEventListener('abort', cancel, { once: true });
    });
  }

  #stream<Request, Answer>({
    decode,
    encode,
    name,
    path,
  }: Method<Request, Answer>): ClientDuplexStream<Request, Answer> {
    const { channel, onCall } = this.#options;
    const { client } = channel;
    onCall(name);
    return client.makeBidiStreamRequest(path, encode, decode, this.#metadata(), this.#deadline);
  }

  get #deadline(): { readonly deadline?: number } {
    const { deadlineMs } = this.#options;
    return deadlineMs === undefined ? {} : { deadline: deadlineMs };
  }

  #metadata(): Metadata {
    const { token } = this.#options;
    const metadata = new Metadata();
    if (token !== undefined) metadata.set('token', token);
    // A member cut off from its cluster must refuse a watch or read, not serve it silently from the
    // past.
    metadata.set('hasleader', 'true');
    return metadata;
  }
}
