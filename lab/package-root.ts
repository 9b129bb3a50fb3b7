// Where the project lies: sources and what is compiled of them are at different depths below its one package.json.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of package.json. @throws Error outside of the project, as in an installed bundle. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    if (folder === '/') throw new Error('This weft does not run from its project: there is no package.json');
    folder = dirname(folder);
  }
  return folder;
}
