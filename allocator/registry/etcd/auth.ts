// The token of etcd's authentication: fetched when a call needs one, shared by all calls until the
// server rejects it.
import { unlessAborted } from '../../../lib/abort.ts';
import type { EtcdChannel } from './channel.ts';
import { GRPC, grpcStatus } from './errors.ts';
import type { EtcdSettings } from './options.ts';
import { EtcdRpc } from './rpc.ts';

/** Resolves with `undefined` where calls need no token. */
export type EtcdToken = Promise<string | undefined>;

export class EtcdAuth {
  readonly #settings: Pick<EtcdSettings, 'auth' | 'onCall'>;
  readonly #closed: AbortSignal;
  #token: EtcdToken | undefined;

  constructor(settings: Pick<EtcdSettings, 'auth' | 'onCall'>, closed: AbortSignal) {
    this.#settings = settings;
    this.#closed = closed;
  }

  /** The token in use; unset before the first call, and where there is no user. */
  get current(): EtcdToken | undefined {
    return this.#token;
  }

  /** Makes the next call authenticate again. With `token`: unless another one is in use already. */
  forget(token = this.#token): void {
    if (this.#token === token) this.#token = undefined;
  }

  /** @throws the gRPC error of the authentication, or the signal's reason */
  token(channel: EtcdChannel, budgetMs: number, signal: AbortSignal): EtcdToken {
    const { auth } = this.#settings;
    if (auth === undefined) return Promise.resolve(undefined);
    const token = (this.#token ??= this.#authenticate(channel, auth, budgetMs));
    token.catch(() => this.forget(token));
    // Several calls share one authentication; the abort of one must not end it for the others.
    return unlessAborted(token, signal);
  }

  async #authenticate(
    channel: EtcdChannel,
    { username, password }: NonNullable<EtcdSettings['auth']>,
    budgetMs: number,
  ): EtcdToken {
    const deadlineMs = Date.now() + Math.ceil(budgetMs);
    const rpc = new EtcdRpc({ channel, deadlineMs, signal: this.#closed, onCall: this.#settings.onCall });
    try {
      return (await rpc.authenticate({ name: username, password })).token;
    } catch (error) {
      // Authentication is switched off in this etcd: it takes calls without a token.
      if (grpcStatus(error)?.code === GRPC.FAILED_PRECONDITION) return undefined;
      throw error;
    }
  }
}
