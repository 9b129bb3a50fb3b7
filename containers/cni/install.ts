// Installs weft's CNI plugin and a conflist. All checks run first; then files are replaced
// atomically, the conflist last, as runtimes watch for it.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { machine } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newestCommonVersion } from './cni-version.ts';
import { replaceFileSync } from '../../lib/replace-file.ts';
import { InstallError } from './install-error.ts';
import { forMachine, isProgram, withInterpreter } from './plugin-file.ts';
import { networkConfigs, problemOfConfig } from '../../daemon/cni/network-configs.ts';
import { formatConflist, type ConflistOptions, type PluginName } from './conflist.ts';

export interface InstallOptions extends Omit<ConflistOptions, 'cniVersion'> {
  /** Folder of conflists. */
  readonly confDir: string;
  /** Folder of plugins; unset means the first of {@link USUAL_BIN_DIRS} that has any. */
  readonly binDir: string | undefined;
  /** Name of the conflist's file. */
  readonly file: string;
  /** Unset means the newest that all plugins support, at most {@link WIDELY_READ_VERSION}. */
  readonly cniVersion: string | undefined;
  /** Replace files of other programs. */
  readonly isForced: boolean;
}

export interface FileChange {
  readonly path: string;
  readonly content: Buffer;
  readonly mode: number;
  readonly change: 'write' | 'none';
}

export interface InstallPlan {
  readonly changes: readonly FileChange[];
  /** Conditions that may hide the installed conflist. */
  readonly warnings: readonly string[];
}

/** The plugin folders of Kubernetes and containerd, and of Debian. */
export const USUAL_BIN_DIRS = ['/opt/cni/bin', '/usr/lib/cni'] as const;
/** Runtimes of 2024 and before reject newer conflists. */
const WIDELY_READ_VERSION = '1.0.0';

/** Checks the host and plans the changes. @throws InstallError */
export function planInstall(options: InstallOptions): InstallPlan {
  const needed = ['bridge', 'host-local', ...(options.hasPortmap ? ['portmap'] : [])];
  const binDir = findBinDir(options.binDir, needed);
  const cniVersion = chooseVersion(options.cniVersion, binDir, needed);
  const names = new Set<PluginName>(['weft-cni', options.type]);
  const source = findPlugin();
  // A runtime's PATH may have no Node.
  const plugin = withInterpreter(forMachine(readFileSync(source), machine()), process.execPath);
  const conflist = Buffer.from(formatConflist({ ...options, cniVersion }));
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

/**
 * The runtime calls portmap in the version of the conflist; weft-cni adapts to its own delegates.
 */
function chooseVersion(given: string | undefined, binDir: string, needed: readonly string[]): string {
  if (given !== undefined) {
    if (!needed.includes('portmap') || queryVersions(join(binDir, 'portmap')).includes(given)) return given;
    throw new InstallError(
      `${join(binDir, 'portmap')} does not support CNI version ${given}: give another --cni-version, or --no-portmap`,
    );
  }
  const common = needed.reduce<string | undefined>(
    (version, name) => version && newestCommonVersion(queryVersions(join(binDir, name)), version),
    WIDELY_READ_VERSION,
  );
  if (common !== undefined) return common;
  throw new InstallError(
    `Plugins in ${binDir} support no common CNI version from 0.3.0 to ${WIDELY_READ_VERSION}: install other versions`,
  );
}

/** Versions of the specification that a plugin supports; none without an answer. */
function queryVersions(path: string): readonly string[] {
  const env = { ...process.env, CNI_COMMAND: 'VERSION' };
  const { stdout } = spawnSync(path, [], { env, input: '{"cniVersion":"1.0.0"}', encoding: 'utf8' });
  try {
    return (JSON.parse(stdout) as { supportedVersions?: string[] }).supportedVersions ?? [];
  } catch {
    return [];
  }
}

/** Path of weft-cni: beside weft, or in the folder of the Debian package. */
function findPlugin(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const found = ['weft-cni', 'weft-cni.cjs', 'cni/weft-cni']
      .map((name) => join(folder, name))
      .find((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true);
    if (found !== undefined) return found;
    if (folder === dirname(folder))
      throw new InstallError('There is no weft-cni beside weft: run make build');
    folder = dirname(folder);
  }
}

function planFile(path: string, content: Buffer, mode: number, { isForced }: InstallOptions): FileChange {
  const existing = existsSync(path) ? readFileSync(path) : undefined;
  if (existing?.equals(content) === true) return { path, content, mode, change: 'none' };
  const isOwn = existing === undefined || (isProgram(existing) && existing.includes('weft-cni'));
  if (!isOwn && !isForced)
    throw new InstallError(`${path} exists and differs from weft's file: check it, then give --force`);
  return { path, content, mode, change: 'write' };
}

function warningsOf({ confDir, file }: InstallOptions): string[] {
  const names = networkConfigs(existsSync(confDir) ? readdirSync(confDir) : []).filter(
    (name) => name !== file,
  );
  return names.flatMap((name) => {
    const problem = problemOfConfig(readFileSync(join(confDir, name), 'utf8'));
    if (problem !== undefined) return [`${join(confDir, name)} ${problem}`];
    return name < file
      ? [`${join(confDir, name)} comes before ${file}: runtimes use the first file; remove it`]
      : [];
  });
}

/** Writes the planned files. @throws Error of the file system. */
export function applyInstall({ changes }: InstallPlan): void {
  for (const { path, content, mode, change } of changes) {
    if (change === 'none') continue;
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    replaceFileSync(path, content, mode);
  }
}
