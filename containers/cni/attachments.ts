// What ADD told the delegate, one file an attachment, for the DEL that may come when the subnet is another one or weft is
// gone. Place and names are those of flannel's plugin, so that either can remove what the other added:
// `<container>` for eth0, which every container has; weft's `<container>@<interface>` for further interfaces.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DelegateConfig } from './delegate-config.ts';
import { isObject, type AttachmentId } from './network.ts';

/** The interface that runtimes give every container. */
export const USUAL_IFNAME = 'eth0';
/** In no container id: see the specification's CNI_CONTAINERID. */
const SEPARATOR = '@';

export interface SavedAttachment extends AttachmentId {
  readonly config: DelegateConfig;
}

export class AttachmentStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The config of ADD; `'unreadable'` if the file is no config. */
  find(id: AttachmentId, network: string): DelegateConfig | 'unreadable' | undefined {
    const own = this.#read(nameOf(id));
    if (own !== undefined || id.ifname === USUAL_IFNAME) return own;
    // Of flannel's plugin, which has no names for interfaces.
    const other = this.#read(id.containerId);
    return isObject(other) && other.name === network ? other : undefined;
  }

  /** Replaces the file as a whole, so that no reader and no crash sees half of it. */
  save(id: AttachmentId, config: DelegateConfig): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const temporary = join(this.#folder, `.${nameOf(id)}.weft`);
    writeFileSync(temporary, JSON.stringify(config), { mode: 0o600 });
    renameSync(temporary, join(this.#folder, nameOf(id)));
  }

  /** Forgets what {@link find} finds. */
  remove(id: AttachmentId, network: string): void {
    const hasOwn = id.ifname === USUAL_IFNAME || this.#read(nameOf(id)) !== undefined;
    if (!hasOwn && this.find(id, network) === undefined) return;
    rmSync(join(this.#folder, hasOwn ? nameOf(id) : id.containerId), { force: true });
  }

  /** All attachments of a network that can be read. */
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
