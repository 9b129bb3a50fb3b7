// Lab folders: one each, with state.json and logs, below one folder for each user. Namespaces and liveness are the
// caller's concern.
import { lstat, mkdir, readFile, readdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getuid } from 'node:process';
import { pidNamespace, type Sandbox } from './sandbox.ts';
import type { Topology } from './topology.ts';

/** State file of a running lab. */
export interface LabState {
  readonly name: string;
  readonly pid: number;
  /** {@link Sandbox.identity} of that process, and the PID namespace in which the number holds. */
  readonly identity: string | undefined;
  readonly pidNamespace: string;
  readonly topology: Topology;
  readonly daemonFlags: readonly string[];
  readonly etcdFlags: readonly string[];
}

const NAME = /^[a-z0-9][a-z0-9-]{0,30}$/;

/** @throws Error if a lab cannot have this name. */
export function checkName(name: string): void {
  if (!NAME.test(name)) throw new Error(`Cannot name a lab '${name}': use 1..31 of a-z, 0-9 and '-'`);
}

/** The state of a lab in `sandbox`. */
export async function newState(
  options: Partial<LabState> & Pick<LabState, 'name' | 'topology'>,
  sandbox: Sandbox,
): Promise<LabState> {
  const { name, topology, daemonFlags = [], etcdFlags = [] } = options;
  const [identity, namespace] = await Promise.all([sandbox.identity(), pidNamespace()]);
  return { name, pid: sandbox.pid, identity, pidNamespace: namespace, topology, daemonFlags, etcdFlags };
}

function labsFolder(): string {
  return join(tmpdir(), `weft-lab-${getuid?.() ?? 0}`);
}

/** Where a lab of this name has its state and logs, existing or not. */
export function folderOf(name: string): string {
  return join(labsFolder(), name);
}

/**
 * Makes the folder of a new lab, for its user alone.
 * @throws Error if another user owns the folder of all labs: that user could forge lab states.
 */
export async function makeFolder(name: string): Promise<void> {
  await mkdir(labsFolder(), { recursive: true, mode: 0o700 });
  if (!(await isOwn())) throw new Error(`${labsFolder()} belongs to another user: remove it, or set TMPDIR`);
  // Removes kept logs of an earlier lab of this name.
  await rm(folderOf(name), { recursive: true, force: true });
  await mkdir(join(folderOf(name), 'logs'), { recursive: true, mode: 0o700 });
}

async function isOwn(): Promise<boolean> {
  const found = await lstat(labsFolder()).catch(() => undefined);
  return found?.isDirectory() === true && found.uid === getuid?.();
}

/** Names of all folders. */
export function listFolders(): Promise<string[]> {
  return readdir(labsFolder()).catch(() => []);
}

export function writeState(state: LabState): Promise<void> {
  return writeFile(join(folderOf(state.name), 'state.json'), JSON.stringify(state));
}

/** The state of a lab of this PID namespace; undefined for labs of another one. */
export async function readState(name: string): Promise<LabState | undefined> {
  const text = await readFile(join(folderOf(name), 'state.json'), 'utf8').catch(() => undefined);
  if (text === undefined || !(await isOwn())) return undefined;
  const state = JSON.parse(text) as LabState;
  return state.pidNamespace === (await pidNamespace()) ? state : undefined;
}

/** Keeps a lab's logs, and removes its state. */
export function forgetState(name: string): Promise<void> {
  return rm(join(folderOf(name), 'state.json'), { force: true });
}

/** Removes a lab's folder, and the folder of all labs with the last one. */
export async function removeFolder(name: string): Promise<void> {
  await rm(folderOf(name), { recursive: true, force: true });
  await rmdir(labsFolder()).catch(() => undefined);
}
