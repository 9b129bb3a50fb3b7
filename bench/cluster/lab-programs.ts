// Programs of benchmarks inside a lab: the writer of leases beside etcd, and a daemon under the stopwatch.
import { spawn, type ChildProcess } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { HEALTH_PORT } from '../../lab/daemon-command.ts';
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
  const { process: child, lines } = openProcess(lab, 'etcd', 'seed.js', [ETCD_URL]);
  return {
    async send(command) {
      child.stdin!.write(`${JSON.stringify(command)}\n`);
      const { value } = await lines.next();
      return (JSON.parse(String(value)) as { atMs: number }).atMs;
    },
    end: () => child.stdin!.end(),
  };
}

/** Starts `program` as the daemon of h1 and waits until it is ready. */
export async function startTimed(lab: Lab, program: string): Promise<{ times: StartTimes; end: () => void }> {
  const file = lab.subnetFile('h1');
  const command = [...insteadOf(program), ...lab.daemonCommand('h1', ['--log-level', 'error'])];
  const { process: child, lines } = openProcess(lab, 'h1', '../host/stopwatch.js', [
    file,
    String(HEALTH_PORT),
    ...command,
  ]);
  const { value, done } = await lines.next();
  if (done) throw new Error('The daemon did not become ready');
  return { times: JSON.parse(value) as StartTimes, end: () => child.kill('SIGTERM') };
}
