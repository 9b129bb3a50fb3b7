// Collects the licenses of bundled packages, which their terms require to accompany the code.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Metafile } from 'esbuild';

/**
 * One text with name, version, license and license text of each package, those in the folders
 * `extra` included.
 */
export function licensesOf(metafiles: readonly Metafile[], extra: readonly string[]): string {
  const inputs = metafiles.flatMap((metafile) => Object.keys(metafile.inputs));
  const folders = new Set([...inputs.flatMap((file) => packageFolder(file) ?? []), ...extra]);
  const texts = [...folders].map((folder) => describe(folder)).sort();
  return texts.join(`\n${'-'.repeat(78)}\n\n`);
}

function packageFolder(file: string): string | undefined {
  if (!file.includes('node_modules/')) return undefined;
  let folder = dirname(file);
  while (!existsSync(join(folder, 'package.json')) || !hasName(folder)) folder = dirname(folder);
  return folder;
}

/** Inner folders of some packages have a package.json without a name. */
function hasName(folder: string): boolean {
  return manifest(folder).name !== undefined;
}

function manifest(folder: string): { name?: string; version?: string; license?: string } {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: string };
}

function describe(folder: string): string {
  const { name, version, license } = manifest(folder);
  const files = readdirSync(folder).filter((file) => /^licen[cs]e/i.test(file));
  const texts = files.map((file) => readFileSync(join(folder, file), 'utf8').trimEnd());
  return `${name} ${version} (${license})\n\n${texts.join('\n\n') || `The text of ${license} applies.`}\n`;
}
