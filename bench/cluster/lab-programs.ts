// Programs of benchmarks inside a lab: the writer of leases beside etcd, and a daemon under the stopwatch.
import { spawn, type ChildProcess } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { HEALTH_PORT } from '../../lab/daemon-command.ts';
import type { LabApiServer } from '../../lab/kubernetes/lab-api-server.ts';
import type { Lab } from '../../lab/lab.ts';
import { ETCD_URL } from '../../lab/topology.ts';
import { insteadOf } from '../host/installed.ts';
import type { StartTimes } from '../host/stopwatch.ts';

const HERE = dirname(fileURLToPath(import.meta.url));

interface LineProcess {
  readonly process: ChildProcess;
  readonly lines: AsyncIterator<string>;
}

function openProcess(lab: Lab, netns: string, script: string, args: readonly string[]): LineProcess {
  const [file, ...rest] = lab.sandbox.commandLine([process.execPath, join(HERE, script), ...args], netns);
  const child = spawn(file!, rest, { stdio: ['pipe', 'pipe', 'ignore'] });
  const lines: Interface = createInterface({ input: child.stdout });
  return { process: child, lines: lines[Symbol.asyncIterator]() };
}

export interface Writer {
  /** Resolves with the Unix time, in ms, at which etcd had acknowledged the write. */
  send(command: object): Promise<number>;
  end(): void;
}

/** Puts leases of simulated peers into etcd. */
export function openWriter(lab: Lab): Writer {
  return writerOf(openProcess(lab, 'etcd', 'seed.js', [ETCD_URL]));
}

/** Puts simulated nodes into the Kubernetes API. */
export function openNodeWriter(lab: Lab, { token = '', url }: LabApiServer): Writer {
  return writerOf(openProcess(lab, 'etcd', 'seed-kubernetes.js', [url, token]));
}

/** Watches whole nodes from `h2`, as an informer does; resolves once it does. */
export async function openWatcher(lab: Lab, { token = '', url }: LabApiServer): Promise<{ end: () => void }> {
  const { process: child, lines } = openProcess(lab, 'h2', 'watch-nodes.js', [url, token]);
  const { done } = await lines.next();
  if (done === true) throw new Error('The watch of all nodes did not begin');
  return { end: () => child.kill('SIGTERM') };
}

function writerOf({ lines, process: child }: LineProcess): Writer {
  return {
    async send(command) {
      child.stdin!.write(`${JSON.stringify(command)}\n`);
      const { done, value } = await lines.next();
      if (done === true) throw new Error('The writer of simulated peers ended');
      return (JSON.parse(value) as { atMs: number }).atMs;
    },
    end: () => child.stdin!.end(),
  };
}

/** Starts `program` as the daemon of h1 and waits until it is ready. */
export async function startTimed(
  lab: Lab,
  program: string,
  flags: readonly string[] = [],
  under: readonly string[] = [],
): Promise<{ times: StartTimes; end: () => void }> {
  const file = lab.subnetFile('h1');
  const daemon = lab.daemonCommand('h1', ['--log-level', 'error', ...flags]);
  const command = [...under, ...insteadOf(program), ...daemon];
  const { process: child, lines } = openProcess(lab, 'h1', '../host/stopwatch.js', [
    file,
    String(HEALTH_PORT),
    ...command,
  ]);
  const { value, done } = await lines.next();
  if (done) throw new Error('The daemon did not become ready');
  return { times: JSON.parse(value) as StartTimes, end: () => child.kill('SIGTERM') };
}
