// The network config as operators edit it: the document with its history, and how far hosts follow
// it. Types only; `etcd/config-store.ts` implements it.
import type { ConfigEntry, RegistryEntry, Revision } from './registry.ts';

/** Who wrote a version of the document, when and why, as far as that is known. */
export interface ConfigNote {
  readonly author?: string;
  /** Milliseconds since the epoch, by the author's clock or, if `isExternal`, the finder's. */
  readonly timeMs: number;
  readonly reason?: string;
  /** Written by another program than weft: found and recorded by the next user of weft. */
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
  /** Node statuses of weft hosts, by public IP. */
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
  /** The document was written meanwhile. */
  | { readonly written: false };

/** All calls reject with a {@link RegistryError}. */
export interface ConfigStore {
  read(): Promise<ConfigSnapshot>;
  /** Versions, newest first: recorded ones, and those that the store's own history still has. */
  history(): Promise<readonly ConfigVersion[]>;
  /** Replaces the document with its note if it is unchanged. flannel does not see the note. */
  write(change: ConfigChange): Promise<ConfigWriteResult>;
  /** Keys that exist and were perhaps meant for the document; none if etcd does not let this user read them. */
  nearMisses(): Promise<readonly string[]>;
  close(): void;
}
