// The network config as operators edit it: the document with its history, and what hosts say of following it. Types only;
// `etcd/config-store.ts` implements it.
import type { ConfigEntry, RegistryEntry, Revision } from './registry.ts';

/** Who wrote a version of the document, when and why, as far as that is known. */
export interface ConfigNote {
  readonly author?: string;
  /** Milliseconds since the epoch, by the clock of who wrote it or, if `isExternal`, found it. */
  readonly timeMs: number;
  readonly reason?: string;
  /** Somebody wrote it past weft: found, and kept, by the next who used it. */
  readonly isExternal?: boolean;
}

export interface ConfigVersion extends ConfigEntry {
  readonly note: ConfigNote;
}

/** Everything that editing needs, read at one revision. */
export interface ConfigSnapshot {
  readonly revision: Revision;
  readonly config?: ConfigEntry;
  readonly leases: readonly RegistryEntry[];
  /** What hosts of weft say, by public IP. */
  readonly reports: ReadonlyMap<string, string>;
}

export interface ConfigChange {
  readonly text: string;
  /** Revision of the document that is replaced; 0 if there is none. */
  readonly expected: Revision;
  readonly note: ConfigNote;
  /** Lets daemons take other subnets by it. */
  readonly isRenumberingConfirmed: boolean;
}

export type ConfigWriteResult =
  | { readonly written: true; readonly revision: Revision }
  /** Somebody else wrote meanwhile. */
  | { readonly written: false };

/** All calls reject with a {@link RegistryError}. */
export interface ConfigStore {
  read(): Promise<ConfigSnapshot>;
  /** Versions, newest first: those that were recorded, and those that the store remembers besides. */
  history(): Promise<readonly ConfigVersion[]>;
  /** Replaces the document if nobody else has, together with its note, which flannel does not see. */
  write(change: ConfigChange): Promise<ConfigWriteResult>;
  close(): void;
}
