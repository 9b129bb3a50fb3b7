// Copies the plugins of weft's image to a host, where no Node and perhaps no glibc is: a folder with
// loader, libraries, Node and plugins, and beside it a launcher under the name of each plugin.
//
//   /opt/cni/bin/weft-cni, bridge, …   launcher (native/cni/launcher.c)
//   /opt/cni/bin/.weft ──► .weft-DIGEST/
//
// The folder is complete before the link names it, and one that plugins may still start from stays
// until the next copy.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { machine } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { isVersion, PLUGIN_LINK } from '../../daemon/cni/plugin-files.ts';
import { InstallError } from './install-error.ts';
import { elfMachineOf, isProgram, MACHINES } from './plugin-file.ts';

/** `cni.json` of an image; deploy/image/rootfs.sh writes it. Paths are those in the image. */
export interface PluginSources {
  /** As uname(2) names it. */
  readonly machine: string;
  readonly launcher: string;
  readonly loader: string;
  readonly libraries: readonly string[];
  readonly node: string;
  readonly script: string;
  readonly plugins: readonly string[];
}

export interface CopyOptions {
  readonly sources: PluginSources;
  readonly binDir: string;
  /** Machine of the host; default that of the kernel. */
  readonly machine?: string;
}

export interface CopiedFile {
  readonly path: string;
  readonly change: 'copied' | 'current' | 'foreign';
}

const PLUGIN = 'weft-cni';

/** @throws InstallError before anything is changed, if the plugins do not run on this host. */
export function copyPlugins({ binDir, machine: host = machine(), sources }: CopyOptions): CopiedFile[] {
  checkMachine(sources, host);
  mkdirSync(binDir, { recursive: true, mode: 0o755 });
  const files = filesOf(sources);
  const version = `${PLUGIN_LINK}-${digestOf(files)}`;
  const former = readLink(join(binDir, PLUGIN_LINK));
  const folder = join(binDir, version);
  const isNew = !existsSync(folder);
  if (isNew) copyFolder(folder, files);
  if (former !== version) replaceLink(join(binDir, PLUGIN_LINK), version);
  const names = [PLUGIN, ...sources.plugins.map((path) => basename(path))];
  const launchers = names.map((name) => copyLauncher(sources.launcher, join(binDir, name)));
  removeOld(binDir, [version, former]);
  return [{ path: folder, change: isNew ? 'copied' : 'current' }, ...launchers];
}

/** The paths in the folder, with their sources. */
function filesOf({ libraries, loader, node, plugins, script }: PluginSources): ReadonlyMap<string, string> {
  return new Map([
    ['ld.so', loader],
    ...libraries.map((path): [string, string] => [`lib/${basename(path)}`, path]),
    ['bin/node', node],
    ...plugins.map((path): [string, string] => [`bin/${basename(path)}`, path]),
    ['weft-cni.cjs', script],
  ]);
}

function digestOf(files: ReadonlyMap<string, string>): string {
  const hash = createHash('sha256');
  for (const [name, source] of files) {
    const content = createHash('sha256').update(readFileSync(source)).digest('hex');
    hash.update(`${name} ${content}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}

function checkMachine(sources: PluginSources, host: string): void {
  const programs = [sources.launcher, sources.loader, sources.node, ...sources.plugins];
  const wrong = programs.find((path) => elfMachineOf(readFileSync(path)) !== MACHINES[host]);
  if (wrong === undefined) return;
  throw new InstallError(
    `${wrong} is not for this host, which is ${host}, but for ${nameOf(elfMachineOf(readFileSync(wrong)))}: use the image for this architecture; nothing was copied`,
  );
}

function nameOf(elfMachine: number | undefined): string {
  return Object.keys(MACHINES).find((name) => MACHINES[name] === elfMachine) ?? 'no machine that weft knows';
}

function copyFolder(folder: string, files: ReadonlyMap<string, string>): void {
  const temporary = `${folder}.new`;
  rmSync(temporary, { recursive: true, force: true });
  try {
    for (const [name, source] of files) {
      const target = join(temporary, name);
      mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
      copyFileSync(source, target);
      chmodSync(target, 0o755);
    }
    tryPlugin(temporary);
    renameSync(temporary, folder);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** Starts the plugin from the new folder, before runtimes do. */
function tryPlugin(folder: string): void {
  const paths = ['lib', 'bin/node', 'weft-cni.cjs'].map((name) => join(folder, name));
  const env = { CNI_COMMAND: 'VERSION' };
  const input = '{"cniVersion":"1.0.0"}';
  const args = ['--inhibit-cache', '--library-path', ...paths];
  const { error, stderr, stdout } = spawnSync(join(folder, 'ld.so'), args, { env, input, encoding: 'utf8' });
  if (/"supportedVersions":/.test(stdout ?? '')) return;
  throw new InstallError(
    `The plugin does not start on this host: ${error?.message ?? (stderr.trim() || 'no answer')}; nothing was installed`,
  );
}

function copyLauncher(launcher: string, path: string): CopiedFile {
  const wanted = readFileSync(launcher);
  const present = existsSync(path) ? readFileSync(path) : undefined;
  if (present?.equals(wanted) === true) return { path, change: 'current' };
  if (present !== undefined && !isOurs(present)) return { path, change: 'foreign' };
  const temporary = join(dirname(path), `.${basename(path)}.weft`);
  copyFileSync(launcher, temporary);
  chmodSync(temporary, 0o755);
  renameSync(temporary, path);
  return { path, change: 'copied' };
}

/** A launcher of another version, or what `weft cni install` writes. */
function isOurs(content: Buffer): boolean {
  return isProgram(content) && content.includes(PLUGIN);
}

function replaceLink(path: string, target: string): void {
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true });
  symlinkSync(target, temporary);
  renameSync(temporary, path);
}

function readLink(path: string): string | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true
    ? readlinkSync(path)
    : undefined;
}

function removeOld(binDir: string, kept: readonly (string | undefined)[]): void {
  for (const name of readdirSync(binDir))
    if (isVersion(name) && !kept.includes(name)) rmSync(join(binDir, name), { recursive: true });
}
