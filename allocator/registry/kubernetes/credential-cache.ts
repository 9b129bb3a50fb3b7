// Keeps credentials and authority of an API server, and reads them again when they may have changed.
import type { Clock } from '../../../lib/clock.ts';
import { RegistryError } from '../registry.ts';
import type { ClusterAccess, Credentials } from './access.ts';

/** Credentials are read again after this time: tokens of pods are replaced hourly. */
const CREDENTIALS_MS = 60_000;

export interface CredentialCacheOptions {
  readonly access: ClusterAccess;
  readonly clock: Clock;
  /** Authority or client certificate changed: open connections have the old ones. */
  readonly onConnectionOld: () => void;
}

interface Known {
  readonly value: Credentials;
  readonly authority: string | undefined;
  readonly readMs: number;
}

export class CredentialCache {
  readonly #options: CredentialCacheOptions;
  #known: Known | undefined;

  constructor(options: CredentialCacheOptions) {
    this.#options = options;
  }

  /** PEM, as read with the credentials. */
  get authority(): string | undefined {
    return this.#known?.authority;
  }

  /** @throws RegistryError if there have never been any. */
  async read(signal: AbortSignal | undefined): Promise<Credentials> {
    const known = this.#known;
    const isOld =
      known === undefined ||
      this.#options.clock.nowMs() - known.readMs >= CREDENTIALS_MS ||
      isPast(known.value.expiresAtMs);
    if (isOld) await this.renew(signal);
    return this.#known?.value ?? {};
  }

  /** Returns whether anything changed. @throws RegistryError if there have never been any. */
  async renew(signal: AbortSignal | undefined): Promise<boolean> {
    const before = this.#known;
    const known = await this.#readAll(signal);
    if (known === undefined) {
      // A plugin that fails takes up to 30 s: not before each request.
      this.#known = before && { ...before, readMs: this.#options.clock.nowMs() };
      return false;
    }
    this.#known = known;
    const isConnectionOld =
      before !== undefined &&
      (before.authority !== known.authority ||
        before.value.certificate !== known.value.certificate ||
        before.value.key !== known.value.key);
    if (isConnectionOld) this.#options.onConnectionOld();
    return isConnectionOld || before?.value.token !== known.value.token;
  }

  /** `undefined` if they cannot be read now: the known ones stay. */
  async #readAll(signal: AbortSignal | undefined): Promise<Known | undefined> {
    const { access, clock } = this.#options;
    try {
      const value = await access.readCredentials(signal);
      return { value, authority: await access.readAuthority(), readMs: clock.nowMs() };
    } catch (error) {
      signal?.throwIfAborted();
      if (this.#known !== undefined) return undefined;
      const message = `Cannot read the credentials of ${access.source}: ${(error as Error).message}`;
      throw new RegistryError('REGISTRY_DENIED', message, { cause: error });
    }
  }
}

function isPast(wallMs: number | undefined): boolean {
  return wallMs !== undefined && Date.now() >= wallMs;
}
