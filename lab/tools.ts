// The programs of native/test/tools, for what a lab needs and no package has.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from './package-root.ts';

let folder: string | undefined;

/** Path of a program of native/test/tools, built if need be. @throws Error if the C compiler fails. */
export function toolFile(name: string): string {
  folder ??= buildTools();
  return join(folder, name);
}

function buildTools(): string {
  const root = packageRoot();
  execFileSync('sh', [join(root, 'native/test/build-tools.sh')], { stdio: 'inherit' });
  return join(root, 'native/build/tools');
}
