// How an API server is reached: addresses, authority and credentials. Types only.
/** What one connection presents. At most one of token and certificate is usual; both are allowed. */
export interface Credentials {
  readonly token?: string;
  /** PEM. */
  readonly certificate?: string;
  readonly key?: string;
  /** When they have to be read again, on the wall clock; unset if they do not end. */
  readonly expiresAtMs?: number;
}

export interface ClusterAccess {
  /** `https://host:port` or `http://…`, at least one, without a path at the end. */
  readonly servers: readonly string[];
  /** Name in the servers' certificates, where it is not the host of the URL. */
  readonly tlsServerName?: string;
  readonly isTlsVerified: boolean;
  /** PEM of the authorities; `undefined` means those of the system. */
  readAuthority(): Promise<string | undefined>;
  readCredentials(signal?: AbortSignal): Promise<Credentials>;
  /** Where all this comes from, for messages. */
  readonly source: string;
}
