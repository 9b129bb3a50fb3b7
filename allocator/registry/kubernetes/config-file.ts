// The network config as a file, which a ConfigMap mounts: read with the nodes, and again when it
// changes, whether an API server answers or not.
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
  /** One read at a time: an older text must not follow a newer one. */
  #lastRead: Promise<unknown> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
    this.#watch = new FileWatch(path, () => this.#onChange());
  }

  /** As read last. */
  get entry(): ConfigEntry | undefined {
    return this.#entry;
  }

  /** `undefined` if there is no file. Each other text has a revision of its own. @throws RegistryError */
  read(): Promise<ConfigEntry | undefined> {
    const read = this.#lastRead.catch(() => undefined).then(() => this.#read());
    this.#lastRead = read;
    return read;
  }

  /** Calls the listener on each change that is read; returns how to end that. */
  subscribe(listener: ConfigListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): void {
    this.#watch.close();
    clearTimeout(this.#timer);
  }

  async #read(): Promise<ConfigEntry | undefined> {
    // The folder may have been missing, or replaced with its mount.
    if (!this.#watch.isWatching) this.#watch.start();
    const before = this.#entry;
    const text = await this.#readText();
    if (text === undefined) this.#entry = undefined;
    else if (text !== before?.text) this.#entry = { text, modRevision: toRevision(++this.#versions) };
    if (this.#entry !== before) for (const listener of this.#listeners) listener(this.#entry);
    return this.#entry;
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
    // A failure is that of the next list.
    this.#timer = setTimeout(() => void this.read().catch(() => undefined), SETTLE_MS);
  }
}
