// Listeners of the registry cache. A change without content and a connection state that is known
// already reach none.
import type { RegistryChange } from './registry-snapshot-store.ts';

/**
 * A change of the cache. `isRestored`: the revision went back, so the registry was restored from a
 * backup.
 */
export interface RegistryCacheChange extends RegistryChange {
  readonly isRestored: boolean;
}

export interface RegistryCacheListener {
  onChange?(change: RegistryCacheChange): void;
  /** The registry does not answer, with the cause, or answers again. */
  onConnection?(isConnected: boolean, error?: Error): void;
}

export class CacheListeners {
  readonly #listeners = new Set<RegistryCacheListener>();
  #isConnected = false;

  /** The last call or watch did not fail. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Calls the listener from now on; returns how to end that. */
  add(listener: RegistryCacheListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  notifyChange(change: RegistryCacheChange): void {
    const { put, removed, isConfigChanged, isRestored } = change;
    if (put.size === 0 && removed.size === 0 && !isConfigChanged && !isRestored) return;
    for (const listener of this.#listeners) listener.onChange?.(change);
  }

  /** Every failure is notified, since each may have another cause. */
  notifyConnection(isConnected: boolean, error?: Error): void {
    const isChanged = isConnected !== this.#isConnected || error !== undefined;
    this.#isConnected = isConnected;
    if (isChanged) for (const listener of this.#listeners) listener.onConnection?.(isConnected, error);
  }
}
