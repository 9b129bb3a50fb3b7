// Notifies of changes to one file by watching its folder (inotify(7)). Where that is impossible (no
// such folder yet, no watches left, a file system without inotify), `isWatching` is false and the
// caller polls.
import { realpathSync, watch, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';

export class FileWatch {
  readonly #path: string;
  readonly #onChange: () => void;
  #watcher: FSWatcher | undefined;

  /**
   * @param onChange - made, changed, replaced, renamed or removed; also by this process. Must not
   * throw.
   */
  constructor(path: string, onChange: () => void) {
    this.#path = path;
    this.#onChange = onChange;
  }

  get isWatching(): boolean {
    return this.#watcher !== undefined;
  }

  /** Starts or restarts: the folder may have been replaced by another of the same name. */
  start(): void {
    this.close();
    const target = targetOf(this.#path);
    const [folder, name] = [dirname(target), basename(target)];
    try {
      const watcher = watch(folder, { persistent: false }, (_, changed) => {
        // A change of the folder itself is reported under the folder's name.
        if (changed === null || changed === name || changed === basename(folder)) this.#onChange();
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
