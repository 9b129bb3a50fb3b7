// What is on disk about labs: one folder each, with state.json and logs, below one folder for each user. It knows nothing
// of namespaces; who reads a state decides whether its lab still lives.
import { readFile, readdir, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getuid } from 'node:process';
import { pidNamespace } from './sandbox.ts';
import type { Topology } from './topology.ts';

/** What is on disk about a running lab. */
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

function labsFolder(): string {
  return join(tmpdir(), `weft-lab-${getuid?.() ?? 0}`);
}

/** Where a lab of this name has its state and logs, existing or not. */
export function folderOf(name: string): string {
  return join(labsFolder(), name);
}

/** Names of all folders. */
export function listFolders(): Promise<string[]> {
  return readdir(labsFolder()).catch(() => []);
}

export function writeState(state: LabState): Promise<void> {
  return writeFile(join(folderOf(state.name), 'state.json'), JSON.stringify(state));
}

/** The state of a lab of this PID namespace; those of others are none of our business. */
export async function readState(name: string): Promise<LabState | undefined> {
  const text = await readFile(join(folderOf(name), 'state.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const state = JSON.parse(text) as LabState;
  return state.pidNamespace === (await pidNamespace()) ? state : undefined;
}

/** Removes a lab's folder, and the folder of all labs with the last one. */
export async function removeFolder(name: string): Promise<void> {
  await rm(folderOf(name), { recursive: true, force: true });
  await rmdir(labsFolder()).catch(() => undefined);
}
