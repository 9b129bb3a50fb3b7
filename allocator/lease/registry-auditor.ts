// Reports anomalies of the registry to the operator, each once for as long as it lasts. It decides
// nothing.
import type { IpAddress } from '../../lib/address.ts';
import type { LeaseEvent } from './lease-events.ts';
import type { PeerIndex } from './peer-index.ts';
import type { RegistryCache } from '../registry/registry-cache.ts';

export interface RegistryAuditorDeps {
  readonly cache: Pick<RegistryCache, 'invalidEntries'>;
  readonly peers: PeerIndex;
  /** Whether the config names no backend. */
  readonly isBackendDefaulted: boolean;
  readonly onEvent: (event: LeaseEvent) => void;
}

export class RegistryAuditor {
  readonly #deps: RegistryAuditorDeps;
  readonly #invalidKeys = new Set<string>();
  #duplicates = new Set<string>();
  #overlapping = new Set<string>();
  #hasReportedBackend = false;
  #isReachable = true;

  constructor(deps: RegistryAuditorDeps) {
    this.#deps = deps;
  }

  /** Checks keys that changed. */
  check(keys: Iterable<string>): void {
    for (const key of keys) {
      this.#checkEntry(key);
      this.#checkBackend(key);
    }
  }

  /** Checks which keys collide with the own one. */
  checkOwnKey(ownKey: string, identity: IpAddress): void {
    const { peers, onEvent } = this.#deps;
    for (const key of peers.duplicates.keys())
      if (!this.#duplicates.has(key)) onEvent({ level: 'warn', code: 'duplicate-public-ip', key, identity });
    this.#duplicates = new Set(peers.duplicates.keys());
    for (const peerKey of peers.overlapping)
      if (!this.#overlapping.has(peerKey))
        onEvent({ level: 'error', code: 'subnet-overlap', key: ownKey, peerKey });
    this.#overlapping = new Set(peers.overlapping);
  }

  onConnection(isConnected: boolean, error?: Error): void {
    if (isConnected === this.#isReachable) return;
    this.#isReachable = isConnected;
    if (isConnected) this.#deps.onEvent({ level: 'info', code: 'registry-back' });
    else if (error !== undefined) this.#deps.onEvent({ level: 'warn', code: 'registry-unreachable', error });
  }

  #checkEntry(key: string): void {
    const invalid = this.#deps.cache.invalidEntries.get(key);
    if (invalid === undefined) {
      this.#invalidKeys.delete(key);
    } else if (!this.#invalidKeys.has(key)) {
      this.#invalidKeys.add(key);
      this.#deps.onEvent({ level: 'warn', code: 'bad-entry', key, reason: invalid.reason });
    }
  }

  #checkBackend(peerKey: string): void {
    if (!this.#deps.isBackendDefaulted || this.#hasReportedBackend) return;
    if (this.#deps.peers.peers.get(peerKey)?.attributes.backendType !== '') return;
    this.#hasReportedBackend = true;
    this.#deps.onEvent({ level: 'warn', code: 'implied-backend-differs', peerKey });
  }
}
