// Puts weft's CNI plugin and its conflist where a container runtime finds them. First everything is looked at and refused
// if it cannot work; then files are replaced as a whole, the conflist last, since runtimes watch for it.
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WeftError } from '../../api/errors.ts';
import { newestCommonVersion } from './cni-version.ts';
import {
  formatConflist,
  networkConfigs,
  problemOfConfig,
  type ConflistOptions,
  type PluginName,
} from './conflist.ts';

export interface InstallOptions extends Omit<ConflistOptions, 'cniVersion'> {
  /** Folder of conflists. */
  readonly confDir: string;
  /** Folder of plugins; unset means the first of {@link USUAL_BIN_DIRS} that has any. */
  readonly binDir: string | undefined;
  /** Name of the conflist's file. */
  readonly file: string;
  /** Unset means the newest that all plugins of the conflist speak, and not newer than {@link WIDELY_READ_VERSION}. */
  readonly cniVersion: string | undefined;
  /** Replace files that somebody else made. */
  readonly isForced: boolean;
}

export interface FileChange {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
  readonly change: 'write' | 'none';
}

export interface InstallPlan {
  readonly changes: readonly FileChange[];
  /** What does not stop an installation, but may be in its way. */
  readonly warnings: readonly string[];
}

/** The reason why nothing is installed; one line with the remedy. */
export class InstallError extends WeftError {
  constructor(message: string) {
    super('CNI_INSTALL_FAILED', message);
  }
}

/** Where Kubernetes and containerd look, and where Debian puts its plugins. */
export const USUAL_BIN_DIRS = ['/opt/cni/bin', '/usr/lib/cni'] as const;
/** Runtimes of 2024 and before refuse newer conflists, whatever their plugins speak. */
const WIDELY_READ_VERSION = '1.0.0';

/** Looks at the host and says what is to be done. @throws InstallError */
export function planInstall(options: InstallOptions): InstallPlan {
  const needed = ['bridge', 'host-local', ...(options.hasPortmap ? ['portmap'] : [])];
  const binDir = findBinDir(options.binDir, needed);
  const cniVersion = chooseVersion(options.cniVersion, binDir, needed);
  const names = new Set<PluginName>(['weft-cni', options.type]);
  const source = findPlugin();
  const plugin = withThisNode(readFileSync(source, 'utf8'));
  const conflist = formatConflist({ ...options, cniVersion });
  const changes = [
    ...[...names]
      .map((name) => join(binDir, name))
      .filter((path) => path !== source)
      .map((path) => planFile(path, plugin, 0o755, options)),
    planFile(join(options.confDir, options.file), conflist, 0o644, options),
  ];
  return { changes, warnings: warningsOf(options) };
}

function findBinDir(given: string | undefined, needed: readonly string[]): string {
  const folders = given === undefined ? USUAL_BIN_DIRS : [given];
  const folder = folders.find((path) => existsSync(join(path, needed[0]!))) ?? folders[0];
  const missing = needed.filter((name) => !existsSync(join(folder, name)));
  if (missing.length === 0) return folder;
  throw new InstallError(
    `There is no ${missing.join(', no ')} in ${folders.join(' or ')}: install containernetworking-plugins, or name their folder with --bin-dir`,
  );
}

/** weft-cni asks its delegates in versions that they speak; portmap is asked by the runtime, in that of the conflist. */
function chooseVersion(given: string | undefined, binDir: string, needed: readonly string[]): string {
  if (given !== undefined) {
    if (!needed.includes('portmap') || askVersions(join(binDir, 'portmap')).includes(given)) return given;
    throw new InstallError(
      `${join(binDir, 'portmap')} does not speak CNI version ${given}: give another --cni-version, or --no-portmap`,
    );
  }
  const common = needed.reduce<string | undefined>(
    (version, name) => version && newestCommonVersion(askVersions(join(binDir, name)), version),
    WIDELY_READ_VERSION,
  );
  if (common !== undefined) return common;
  throw new InstallError(
    `Plugins in ${binDir} speak no common CNI version from 0.3.0 to ${WIDELY_READ_VERSION}: install others`,
  );
}

/** Versions of the specification that a plugin supports; none if it does not answer. */
function askVersions(path: string): readonly string[] {
  const env = { ...process.env, CNI_COMMAND: 'VERSION' };
  const { stdout } = spawnSync(path, [], { env, input: '{"cniVersion":"1.0.0"}', encoding: 'utf8' });
  try {
    return (JSON.parse(stdout) as { supportedVersions?: string[] }).supportedVersions ?? [];
  } catch {
    return [];
  }
}

/** The plugin's file: beside weft's own, or where the Debian package puts it. */
function findPlugin(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const found = ['weft-cni.cjs', 'cni/weft-cni']
      .map((name) => join(folder, name))
      .find((path) => existsSync(path));
    if (found !== undefined) return found;
    if (folder === dirname(folder))
      throw new InstallError('There is no weft-cni.cjs beside weft: run make build');
    folder = dirname(folder);
  }
}

/** The node that runs this starts the plugin: a runtime's PATH may have none. */
function withThisNode(text: string): string {
  return text.replace(/^#!.*/, `#!${process.execPath}`);
}

function planFile(path: string, text: string, mode: number, { isForced }: InstallOptions): FileChange {
  const existing = existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  if (existing === text) return { path, text, mode, change: 'none' };
  const isOwn = existing === undefined || (mode === 0o755 && existing.includes('weft-cni'));
  if (!isOwn && !isForced)
    throw new InstallError(
      `${path} is there and is another than weft would write: look at it, then give --force`,
    );
  return { path, text, mode, change: 'write' };
}

function warningsOf({ confDir, file }: InstallOptions): string[] {
  const names = networkConfigs(existsSync(confDir) ? readdirSync(confDir) : []).filter(
    (name) => name !== file,
  );
  return names.flatMap((name) => {
    const problem = problemOfConfig(readFileSync(join(confDir, name), 'utf8'));
    if (problem !== undefined) return [`${join(confDir, name)} ${problem}`];
    return name < file
      ? [`${join(confDir, name)} comes before ${file}: runtimes will use that one; remove it`]
      : [];
  });
}

/** Writes what is to be written. @throws Error of the file system. */
export function applyInstall({ changes }: InstallPlan): void {
  for (const { path, text, mode, change } of changes) {
    if (change === 'none') continue;
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    replaceFile(path, text, mode);
  }
}

function replaceFile(path: string, text: string, mode: number): void {
  const temporary = join(dirname(path), `.${basename(path)}.weft`);
  rmSync(temporary, { force: true });
  const file = openSync(temporary, 'wx', mode);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}
