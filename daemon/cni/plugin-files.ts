// Files that `weft cni copy` puts into the plugin folder of a host, as others recognize them.
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Link to the folder of the present version, `.weft-DIGEST`. */
export const PLUGIN_LINK = '.weft';
/** In the text of native/cni/launcher.c. */
export const LAUNCHER_MARKER = 'weft-cni-launcher';
/** A launcher has less; larger files are not read. */
const MAX_LAUNCHER_BYTES = 2 << 20;

/** Paths in the folder that are of weft; none if there is no such folder. */
export function pluginFilesIn(binDir: string): readonly string[] {
  if (!existsSync(binDir)) return [];
  return readdirSync(binDir)
    .filter((name) => name === PLUGIN_LINK || isVersion(name) || isLauncher(join(binDir, name)))
    .map((name) => join(binDir, name));
}

/** Whether the name is that of the folder of a version, complete or not. */
export function isVersion(name: string): boolean {
  return name.startsWith(`${PLUGIN_LINK}-`);
}

function isLauncher(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats?.isFile() !== true || stats.size > MAX_LAUNCHER_BYTES) return false;
  return readFileSync(path).includes(LAUNCHER_MARKER);
}
