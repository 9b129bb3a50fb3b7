// Tells an operator what is odd in the registry, once for as long as it lasts. It decides nothing.
import type { IpAddress } from '../../lib/address.ts';
import type { LeaseEvent } from './lease-events.ts';
import type { PeerIndex } from './peer-index.ts';
import type { RegistryCache } from '../registry/registry-cache.ts';

export interface RegistryAuditorOptions {
  readonly cache: Pick<RegistryCache, 'invalidEntries'>;
  readonly view: PeerIndex;
  /** Whether the config names no backend. */
  readonly isBackendDefaulted: boolean;
  readonly onEvent: (event: LeaseEvent) => void;
}

export class RegistryAuditor {
  readonly #options: RegistryAuditorOptions;
  readonly #badKeys = new Set<string>();
  #duplicates = new Set<string>();
  #overlapping = new Set<string>();
  #hasWarnedOfBackend = false;
  #isReachable = true;

  constructor(options: RegistryAuditorOptions) {
    this.#options = options;
  }

  /** Looks at keys that changed. */
  lookAt(keys: Iterable<string>): void {
    for (const key of keys) {
      this.#lookForGarbage(key);
      this.#lookForBackend(key);
    }
  }

  /** Looks at keys that collide with this host. */
  lookAtSelf(ownKey: string, identity: IpAddress): void {
    const { view, onEvent } = this.#options;
    for (const key of view.duplicates.keys())
      if (!this.#duplicates.has(key)) onEvent({ level: 'warn', code: 'duplicate-public-ip', key, identity });
    this.#duplicates = new Set(view.duplicates.keys());
    for (const peerKey of view.overlapping)
      if (!this.#overlapping.has(peerKey))
        onEvent({ level: 'error', code: 'subnet-overlap', key: ownKey, peerKey });
    this.#overlapping = new Set(view.overlapping);
  }

  onConnection(isConnected: boolean, error?: Error): void {
    if (isConnected === this.#isReachable) return;
    this.#isReachable = isConnected;
    if (isConnected) this.#options.onEvent({ level: 'info', code: 'registry-back' });
    else if (error !== undefined)
      this.#options.onEvent({ level: 'warn', code: 'registry-unreachable', error });
  }

  #lookForGarbage(key: string): void {
    const bad = this.#options.cache.invalidEntries.get(key);
    if (bad === undefined) {
      this.#badKeys.delete(key);
    } else if (!this.#badKeys.has(key)) {
      this.#badKeys.add(key);
      this.#options.onEvent({ level: 'warn', code: 'bad-entry', key, reason: bad.reason });
    }
  }

  #lookForBackend(peerKey: string): void {
    if (!this.#options.isBackendDefaulted || this.#hasWarnedOfBackend) return;
    if (this.#options.view.peers.get(peerKey)?.attributes.backendType !== '') return;
    this.#hasWarnedOfBackend = true;
    this.#options.onEvent({ level: 'warn', code: 'implied-backend-differs', peerKey });
  }
}
