// Starts a daemon and reports the time of each milestone, measured from just before the fork. Run on a lab host:
// `stopwatch.js SUBNET_FILE HEALTH_PORT COMMAND...` prints one JSON line once the daemon is ready, then stays until the
// daemon ends. It polls from outside, so that the daemon is measured as it is.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { fileURLToPath } from 'node:url';
import { waitEvenly, waitRarely } from '../../lab/wait.ts';

export interface StartTimes {
  readonly pid: number;
  /** Process start to subnet.env, which is written once the lease is held. */
  readonly leasedMs: number;
  /** Process start to `/readyz`: every known peer is in the kernel. */
  readonly readyMs: number;
  /** Processor time until `/readyz`, outside of the kernel and inside. */
  readonly userMs: number;
  readonly systemMs: number;
}

const LIMIT_MS = 120_000;
const POLL_MS = 5;
/** USER_HZ of all kernels that Node runs on. */
const TICK_MS = 10;

function isReady(port: string, agent: Agent): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path: '/readyz', agent }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('error', () => resolve(false));
  });
}

async function main([subnetFile, port, file, ...args]: readonly string[]): Promise<void> {
  const agent = new Agent({ keepAlive: true });
  const startMs = performance.now();
  const daemon = spawn(file!, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  await waitEvenly('the subnet file', () => existsSync(subnetFile!), LIMIT_MS, POLL_MS);
  const leasedMs = performance.now() - startMs;
  // The daemon answers each poll.
  await waitRarely('readiness', () => isReady(port!, agent), LIMIT_MS, POLL_MS);
  const readyMs = performance.now() - startMs;
  const times: StartTimes = { pid: daemon.pid!, leasedMs, readyMs, ...processorTime(daemon.pid!) };
  console.log(JSON.stringify(times));
  agent.destroy();
  process.on('SIGTERM', () => daemon.kill('SIGTERM'));
}

/** proc_pid_stat(5): utime and stime, in ticks of 10 ms. */
function processorTime(pid: number): Pick<StartTimes, 'userMs' | 'systemMs'> {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { userMs: Number(fields[11]) * TICK_MS, systemMs: Number(fields[12]) * TICK_MS };
}

/** Resident memory of a process in MB (10^6 bytes), as the kernel counts it. */
export function residentMegabytes(procFolder: string, pid: number): number {
  const status = readFileSync(`${procFolder}/${pid}/status`, 'utf8');
  return (Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024) / 1e6;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
