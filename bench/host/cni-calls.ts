// Calls of CNI plugins as container runtimes make them, with a daemon that answers weft-cni. It has no registry, which
// answers do not need.
import { spawn, spawnSync, type SpawnOptions } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../../lab/package-root.ts';

export const PLUGIN_FOLDER = '/usr/lib/cni';
const START_MS = 20_000;
const POLL_MS = 50;

export interface Plugin {
  readonly file: string;
  readonly config: string;
  /** Of the daemon. */
  readonly socket: string;
}

/** @throws Error if it does not start. */
export async function startCniDaemon(folder: string): Promise<{ socket: string; stop: () => Promise<void> }> {
  const socket = join(folder, 'weft.sock');
  const log = openSync(join(folder, 'daemon.log'), 'w');
  const args = ['daemon', '--etcd-endpoints=http://127.0.0.1:1', `--control-socket=${socket}`];
  const files = [`--subnet-file=${join(folder, 'daemon.env')}`];
  const daemon = spawn(join(packageRoot(), 'bin/weft'), [...args, ...files], { stdio: ['ignore', log, log] });
  const ended = new Promise<void>((resolve) => daemon.once('exit', () => resolve()));
  const untilMs = performance.now() + START_MS;
  while (!existsSync(socket)) {
    if (daemon.exitCode !== null || performance.now() > untilMs)
      throw new Error(`weft daemon does not start: see ${folder}/daemon.log`);
    await sleep(POLL_MS);
  }
  return {
    socket,
    stop: async () => {
      daemon.kill();
      await ended;
    },
  };
}

/**
 * Milliseconds from before the first of `count` plugins is started until the last has ended. Making and removing the
 * containers do not count.
 */
export async function timeAdds(plugin: Plugin, count: number): Promise<number> {
  const ids = Array.from({ length: count }, (_, index) => `weft-bench-${process.pid}-${index}`);
  for (const id of ids) run('ip', ['netns', 'add', id]);
  try {
    const startMs = performance.now();
    await Promise.all(ids.map((id) => call(plugin, 'ADD', id)));
    const ms = performance.now() - startMs;
    for (const id of ids) await call(plugin, 'DEL', id);
    return ms;
  } finally {
    for (const id of ids) run('ip', ['netns', 'del', id]);
  }
}

export function timeNode(program: string): number {
  const startMs = performance.now();
  run(process.execPath, [program]);
  return performance.now() - startMs;
}

function call({ file, config, socket }: Plugin, command: string, id: string): Promise<void> {
  const variables = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: id,
    CNI_IFNAME: 'eth0',
    CNI_PATH: PLUGIN_FOLDER,
  };
  const env = { PATH: process.env['PATH'], WEFT_SOCKET: socket, CNI_NETNS: `/run/netns/${id}`, ...variables };
  const options: SpawnOptions = { env, stdio: ['pipe', 'pipe', 'inherit'] };
  return new Promise((resolve, reject) => {
    const child = spawn(file, [], options);
    let output = '';
    child.stdout!.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${file} ${command} failed (${code}): ${output}`)),
    );
    // A plugin may end without reading its input.
    child.stdin!.on('error', () => undefined).end(config);
  });
}

function run(file: string, argv: readonly string[]): void {
  const { status, stdout, stderr, error } = spawnSync(file, argv, { encoding: 'utf8' });
  if (status !== 0)
    throw new Error(`${file} ${argv.join(' ')} failed (${status}): ${error?.message ?? stdout + stderr}`);
}
