// Stores the delegate's config of each ADD, one file per attachment, for a DEL after the subnet
// changes or weft is removed. Folder and names follow flannel's plugin, so that each plugin can
// remove what the other added: `<container>` for eth0, weft's `<container>@<interface>` for further
// interfaces.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DelegateConfig } from './delegate-config.ts';
import { isObject, type AttachmentId } from './network.ts';

/** The interface that every container has. */
export const USUAL_IFNAME = 'eth0';
/** No container id contains it: see CNI_CONTAINERID in the specification. */
const SEPARATOR = '@';

export interface SavedAttachment extends AttachmentId {
  readonly config: DelegateConfig;
}

export class AttachmentStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The config of ADD; `'unreadable'` for a damaged file. */
  find(id: AttachmentId, network: string): DelegateConfig | 'unreadable' | undefined {
    const own = this.#read(nameOf(id));
    if (own !== undefined || id.ifname === USUAL_IFNAME) return own;
    // flannel's plugin names files by container alone.
    const other = this.#read(id.containerId);
    return isObject(other) && other.name === network ? other : undefined;
  }

  /** Replaces the file atomically. */
  save(id: AttachmentId, config: DelegateConfig): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const temporary = join(this.#folder, `.${nameOf(id)}.weft`);
    writeFileSync(temporary, JSON.stringify(config), { mode: 0o600 });
    renameSync(temporary, join(this.#folder, nameOf(id)));
  }

  /** Removes the file that {@link find} reads. */
  remove(id: AttachmentId, network: string): void {
    const hasOwn = id.ifname === USUAL_IFNAME || this.#read(nameOf(id)) !== undefined;
    if (!hasOwn && this.find(id, network) === undefined) return;
    rmSync(join(this.#folder, hasOwn ? nameOf(id) : id.containerId), { force: true });
  }

  /** All readable attachments of a network. */
  list(network: string): SavedAttachment[] {
    return listFolder(this.#folder).flatMap((name) => {
      const config = name.startsWith('.') ? undefined : this.#read(name);
      if (!isObject(config) || config.name !== network) return [];
      const [containerId = name, ifname = USUAL_IFNAME] = name.split(SEPARATOR);
      return [{ containerId, ifname, config }];
    });
  }

  #read(name: string): DelegateConfig | 'unreadable' | undefined {
    let text: string;
    try {
      text = readFileSync(join(this.#folder, name), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    try {
      const config = JSON.parse(text) as unknown;
      return isObject(config) && typeof config['type'] === 'string' && isObject(config['ipam'])
        ? (config as DelegateConfig)
        : 'unreadable';
    } catch {
      return 'unreadable';
    }
  }
}

function nameOf({ containerId, ifname }: AttachmentId): string {
  return ifname === USUAL_IFNAME ? containerId : `${containerId}${SEPARATOR}${ifname}`;
}

function listFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
