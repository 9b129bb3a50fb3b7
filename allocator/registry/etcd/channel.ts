// The connection to one endpoint: one gRPC channel for all services, and when it last showed a sign
// of life. A channel that failed is closed and replaced, never repaired, so that each new
// connection starts with freshly read certificates and without another's reconnect back-off.
// Retries nothing.
import { isIP } from 'node:net';
import { performance } from 'node:perf_hooks';
import { Client, connectivityState, credentials, type ChannelCredentials } from '@grpc/grpc-js';
import { RegistryError } from '../registry.ts';
import { diagnoseConnection } from './diagnosis.ts';
import type { ConnectionFault } from './diagnosis.ts';
import type { EtcdEndpoint } from './options.ts';
import type { TlsMaterial } from './tls.ts';

type Channel = ReturnType<Client['getChannel']>;
type ChannelState = ReturnType<Channel['getConnectivityState']>;

const DIAGNOSIS_TIMEOUT_MS = 2000;

// A quiet watch requests progress itself; pings serve servers that do not answer that. etcd drops
// clients that ping more often than every 5 s (--grpc-keepalive-min-time), and those that ping
// without a pending call at any rate. The time-out is long: a host that takes a slow answer for
// none lists everything again, which slows an overloaded cluster down further.
const CHANNEL_OPTIONS = {
  'grpc.keepalive_time_ms': 60_000,
  'grpc.keepalive_timeout_ms': 20_000,
  'grpc.keepalive_permit_without_calls': 0,
  'grpc.max_receive_message_length': -1,
  'grpc.use_local_subchannel_pool': 1,
  // Its records have no reader, and each call would add to them.
  'grpc.enable_channelz': 0,
};

export class EtcdChannel {
  readonly endpoint: EtcdEndpoint;
  /** Monotonic time of the last message from the server, in ms; `-Infinity` before the first. */
  lastActivityMs = Number.NEGATIVE_INFINITY;
  readonly #material: TlsMaterial;
  readonly #client: Client;
  readonly #onClose = new Set<() => void>();
  #wasReady = false;
  #isClosed = false;

  /** @throws Error if the certificates are refused by the TLS library */
  constructor(endpoint: EtcdEndpoint, material: TlsMaterial) {
    this.endpoint = endpoint;
    this.#material = material;
    const address = endpoint.url.replace(/^https?:\/\//i, '');
    this.#client = new Client(address, credentialsFor(endpoint, material), CHANNEL_OPTIONS);
  }

  /** Whether it was connected once and is not any more. */
  get isBroken(): boolean {
    return (
      this.#wasReady && this.#client.getChannel().getConnectivityState(false) !== connectivityState.READY
    );
  }

  /** Records a message from the server. */
  touch(): void {
    this.lastActivityMs = performance.now();
  }

  /**
   * Waits until the channel is connected, so that what fails before was certainly not sent.
   * @throws ConnectError with the diagnosed cause, or the signal's reason
   */
  async ready(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const startMs = performance.now();
    const channel = this.client.getChannel();
    for (;;) {
      signal.throwIfAborted();
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) break;
      const leftMs = timeoutMs - (performance.now() - startMs);
      if (state === connectivityState.SHUTDOWN) throw new ConnectError(DISCONNECTED);
      if (state === connectivityState.TRANSIENT_FAILURE) throw new ConnectError(await this.#diagnose(leftMs));
      if (leftMs <= 0) throw new ConnectError(noAnswer(this.endpoint, timeoutMs));
      await stateChange(channel, state, leftMs, signal);
    }
    this.#wasReady = true;
  }

  /** Of all services: one TCP connection. @throws ConnectError if the channel was closed */
  get client(): Client {
    if (this.#isClosed) throw new ConnectError(DISCONNECTED);
    return this.#client;
  }

  /** Calls `listener` when the channel is given up; returns how to take that back. */
  onClose(listener: () => void): () => void {
    this.#onClose.add(listener);
    return () => this.#onClose.delete(listener);
  }

  /** Ends the connection with all that runs on it. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#client.close();
    for (const listener of this.#onClose) listener();
    this.#onClose.clear();
  }

  #diagnose(leftMs: number): Promise<ConnectionFault> {
    const timeoutMs = Math.max(1, Math.min(leftMs, DIAGNOSIS_TIMEOUT_MS));
    return diagnoseConnection(this.endpoint, this.#material, timeoutMs);
  }
}

/** A connection that could not be made; nothing was sent over it. */
export class ConnectError extends Error {
  readonly fault: ConnectionFault;

  constructor(fault: ConnectionFault) {
    super(fault.reason);
    this.name = 'ConnectError';
    this.fault = fault;
  }
}

const DISCONNECTED: ConnectionFault = { code: 'REGISTRY_UNAVAILABLE', reason: 'disconnected' };

/** Neither an etcd nor a name server that is silent says which of the two it is. */
function noAnswer({ host }: EtcdEndpoint, timeoutMs: number): ConnectionFault {
  const fault = {
    code: 'REGISTRY_UNAVAILABLE',
    reason: `no answer within ${Math.round(timeoutMs)} ms`,
  } as const;
  return isIP(host) === 0 ? { ...fault, remedy: `check that ${host} resolves: getent hosts ${host}` } : fault;
}

/** Resolves on a change of state, on time-out and on abort; the caller checks which. */
function stateChange(
  channel: Channel,
  state: ChannelState,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      signal.removeEventListener('abort', finish);
      resolve();
    };
    signal.addEventListener('abort', finish, { once: true });
    channel.watchConnectivityState(state, Date.now() + Math.ceil(timeoutMs), finish);
  });
}

function credentialsFor({ isSecure }: EtcdEndpoint, { ca, cert, key }: TlsMaterial): ChannelCredentials {
  if (!isSecure) return credentials.createInsecure();
  // gRPC sets the TLS server name to an IP address if the endpoint is one, which is the operator's
  // business (DEP0123). A flag of Node for that would keep an older Node from saying its version.
  process.noDeprecation = true;
  // Without a root certificate gRPC takes the system's.
  return credentials.createSsl(ca ?? null, key ?? null, cert ?? null);
}

/** The error of a channel that cannot even be set up. */
export function channelSetupError(endpoint: EtcdEndpoint, error: unknown): RegistryError {
  const reason = error instanceof Error ? error.message : String(error);
  return new RegistryError(
    'REGISTRY_REJECTED',
    `etcd connection to ${endpoint.url} cannot be set up: ${reason}`,
    {
      cause: error,
    },
  );
}
