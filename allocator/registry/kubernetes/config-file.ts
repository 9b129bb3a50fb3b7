// The network config as a file, which a ConfigMap mounts: read with the nodes, and again when it
// changes.
import { readFile } from 'node:fs/promises';
import { FileWatch } from '../../../lib/file-watch.ts';
import { RegistryError, toRevision } from '../registry.ts';
import type { ConfigEntry } from '../registry.ts';

/** One change of a ConfigMap touches several names. */
const SETTLE_MS = 100;
const MAX_BYTES = 1024 * 1024;

export type ConfigListener = (config: ConfigEntry | undefined) => void;

export class ConfigFile {
  readonly #path: string;
  readonly #listeners = new Set<ConfigListener>();
  readonly #watch: FileWatch;
  #timer: NodeJS.Timeout | undefined;
  #entry: ConfigEntry | undefined;
  #versions = 0;

  constructor(path: string) {
    this.#path = path;
    this.#watch = new FileWatch(path, () => this.#onChange());
  }

  /** `undefined` if there is no file. Each other text has a revision of its own. @throws RegistryError */
  async read(): Promise<ConfigEntry | undefined> {
    // The folder may have been missing, or replaced with its mount.
    if (!this.#watch.isWatching) this.#watch.start();
    const text = await this.#readText();
    if (text === undefined) this.#entry = undefined;
    else if (text !== this.#entry?.text) this.#entry = { text, modRevision: toRevision(++this.#versions) };
    return this.#entry;
  }

  /** Calls the listener on each change; returns how to end that. */
  subscribe(listener: ConfigListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): void {
    this.#watch.close();
    clearTimeout(this.#timer);
  }

  async #readText(): Promise<string | undefined> {
    try {
      const text = await readFile(this.#path);
      if (text.length > MAX_BYTES)
        throw new Error(`it has ${text.length} bytes; a network config has at most ${MAX_BYTES}`);
      return text.toString('utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new RegistryError(
        'REGISTRY_UNAVAILABLE',
        `Cannot read the network config ${this.#path}: ${(error as Error).message}`,
        { cause: error },
      );
    }
  }

  #onChange(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#report(), SETTLE_MS);
  }

  async #report(): Promise<void> {
    const before = this.#entry;
    // While it is replaced it may be missing for a moment.
    const entry = await this.read().catch(() => before);
    if (entry !== before) for (const listener of this.#listeners) listener(entry);
  }
}
