// Notifies of changes to one file by watching its folder (inotify(7)), and the folder of each
// symbolic link on the path to it: kubelet changes a ConfigMap by replacing the link `..data` beside
// the file. Where that is impossible (no such folder yet, no watches left, a file system without
// inotify), `isWatching` is false and the caller polls.
import { readlinkSync, watch, type FSWatcher } from 'node:fs';
import { basename, join, resolve } from 'node:path';

/** Names to watch, by folder. */
type Watched = ReadonlyMap<string, ReadonlySet<string>>;

export class FileWatch {
  readonly #path: string;
  readonly #onChange: () => void;
  #watchers: readonly FSWatcher[] = [];
  #watched: Watched = new Map();

  /**
   * @param onChange - made, changed, replaced, renamed or removed; also by this process. Must not
   * throw.
   */
  constructor(path: string, onChange: () => void) {
    this.#path = path;
    this.#onChange = onChange;
  }

  get isWatching(): boolean {
    return this.#watchers.length > 0;
  }

  /** Starts or restarts: a folder may have been replaced by another of the same name. */
  start(): void {
    this.close();
    this.#watched = pathOf(this.#path);
    const watchers: FSWatcher[] = [];
    try {
      for (const [folder, names] of this.#watched) watchers.push(this.#watchFolder(folder, names));
      this.#watchers = watchers;
    } catch {
      for (const watcher of watchers) watcher.close();
    }
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
  }

  #watchFolder(folder: string, names: ReadonlySet<string>): FSWatcher {
    const watcher = watch(folder, { persistent: false }, (_, changed) => {
      const isFolder = changed === basename(folder);
      // A change of the folder itself is reported under the folder's name.
      if (changed !== null && !isFolder && !names.has(changed)) return;
      if (this.isWatching && (isFolder || !isSame(this.#watched, pathOf(this.#path)))) this.start();
      this.#onChange();
    });
    watcher.on('error', () => this.close());
    return watcher;
  }
}

/** As the kernel allows (path_resolution(7)). */
const MAX_LINKS = 40;

/** The file behind symbolic links, and each link on the path to it. */
function pathOf(path: string): Watched {
  const watched = new Map<string, Set<string>>();
  let folder = '/';
  let rest = partsOf(resolve(path));
  let links = 0;
  while (rest.length > 0) {
    const [name = '', ...more] = rest;
    const target = name === '..' || links >= MAX_LINKS ? undefined : readLink(join(folder, name));
    if (target !== undefined || more.length === 0)
      watched.set(folder, (watched.get(folder) ?? new Set()).add(name));
    if (target === undefined) folder = join(folder, name);
    else {
      links++;
      if (target.startsWith('/')) folder = '/';
    }
    rest = target === undefined ? more : [...partsOf(target), ...more];
  }
  return watched;
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function isSame(one: Watched, other: Watched): boolean {
  const textOf = (watched: Watched): string =>
    [...watched].map(([folder, names]) => [folder, ...names].join('\0')).join('\0\0');
  return textOf(one) === textOf(other);
}
