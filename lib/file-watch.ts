// Tells when somebody does something to one file, by watching the folder it is in (inotify(7)). Where that cannot be had (no
// such folder yet, no watches left, a file system without), it says so, and whoever needs to know has to look.
import { realpathSync, watch, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';

export class FileWatch {
  readonly #path: string;
  readonly #onTouch: () => void;
  #watcher: FSWatcher | undefined;

  /** @param onTouch - made, changed, replaced, renamed or removed; also by this process. Must not throw. */
  constructor(path: string, onTouch: () => void) {
    this.#path = path;
    this.#onTouch = onTouch;
  }

  get isWatching(): boolean {
    return this.#watcher !== undefined;
  }

  /** Begins, or begins again: the folder may be another one of the same name by now. */
  start(): void {
    this.close();
    const target = targetOf(this.#path);
    const [folder, name] = [dirname(target), basename(target)];
    try {
      const watcher = watch(folder, { persistent: false }, (_, changed) => {
        // What happens to the folder itself goes by its own name.
        if (changed === null || changed === name || changed === basename(folder)) this.#onTouch();
      });
      watcher.on('error', () => this.close());
      this.#watcher = watcher;
    } catch {
      this.#watcher = undefined;
    }
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }
}

/** The file behind symbolic links, or the path itself where nothing is. */
function targetOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
