// Stores the delegate's config of each ADD, one file per attachment, for a DEL after the subnet
// changes or weft is removed. Folder and names follow flannel's plugin, so that each plugin can
// remove what the other added: `<container>` for eth0, weft's `<container>@<interface>` for further
// interfaces.
import { join } from 'node:path';
import type { DelegateConfig } from './delegate-config.ts';
import { isObject, PLUGIN_TYPE, type AttachmentId } from './network.ts';
import { listNames, readText, removePath, saveText, type Plan } from './plan.ts';

/** The interface that every container has. */
export const USUAL_IFNAME = 'eth0';
/** No container id contains it: see CNI_CONTAINERID in the specification. */
const SEPARATOR = '@';

export interface SavedAttachment extends AttachmentId {
  readonly config: DelegateConfig | 'unreadable';
}

/** What a file holds; `text` of an unreadable one may still name its network. */
interface Stored {
  readonly config: DelegateConfig | 'unreadable';
  readonly text: string;
}

export class AttachmentStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The config of ADD; `'unreadable'` for a damaged file, or for a folder of its name. */
  *find(id: AttachmentId, network: string): Plan<DelegateConfig | 'unreadable' | undefined> {
    const own = (yield* this.#read(nameOf(id)))?.config;
    if (own !== undefined || id.ifname === USUAL_IFNAME) return own;
    // flannel's plugin names files by container alone.
    const other = (yield* this.#read(id.containerId))?.config;
    return isObject(other) && other.name === network ? other : undefined;
  }

  /** Replaces the file atomically. */
  save(id: AttachmentId, config: DelegateConfig): Plan<void> {
    return saveText({
      folder: this.#folder,
      temporary: join(this.#folder, `.${nameOf(id)}.weft`),
      file: join(this.#folder, nameOf(id)),
      text: JSON.stringify(config),
    });
  }

  /** Removes the file that {@link find} reads. */
  *remove(id: AttachmentId, network: string): Plan<void> {
    if ((yield* this.find(id, network)) === undefined) return;
    const name = (yield* this.#read(nameOf(id))) === undefined ? id.containerId : nameOf(id);
    yield* removePath(join(this.#folder, name));
  }

  /** All attachments of a network, and damaged ones that name no other network. */
  *list(network: string): Plan<SavedAttachment[]> {
    const found: SavedAttachment[] = [];
    for (const name of yield* listFolder(this.#folder)) {
      const stored = name.startsWith('.') ? undefined : yield* this.#read(name);
      if (stored === undefined || !isOf(network, stored)) continue;
      const [containerId = name, ifname = USUAL_IFNAME] = name.split(SEPARATOR);
      found.push({ containerId, ifname, config: stored.config });
    }
    return found;
  }

  *#read(name: string): Plan<Stored | undefined> {
    try {
      const text = yield* readText(join(this.#folder, name));
      return { config: parseConfig(text), text };
    } catch (error) {
      return isAbsent(error) ? undefined : { config: 'unreadable', text: '' };
    }
  }
}

/** A daemon that may write the file must not choose programs beyond CNI_PATH by it. */
function parseConfig(text: string): DelegateConfig | 'unreadable' {
  try {
    const config = JSON.parse(text) as unknown;
    if (!isObject(config) || !isObject(config['ipam'])) return 'unreadable';
    const { type } = config;
    return typeof type === 'string' && PLUGIN_TYPE.test(type) ? (config as DelegateConfig) : 'unreadable';
  } catch {
    return 'unreadable';
  }
}

/** Networks may share a folder: the rest of a damaged file may name another network. */
function isOf(network: string, { config, text }: Stored): boolean {
  if (config !== 'unreadable') return config.name === network;
  const names = [...text.matchAll(/"name"\s*:\s*"([^"]*)"/g)].map(([, name]) => name);
  return names.length === 0 || names.includes(network);
}

/** Also if the folder of the store is a file. */
function isAbsent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function nameOf({ containerId, ifname }: AttachmentId): string {
  return ifname === USUAL_IFNAME ? containerId : `${containerId}${SEPARATOR}${ifname}`;
}

function* listFolder(path: string): Plan<readonly string[]> {
  try {
    return yield* listNames(path);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}
