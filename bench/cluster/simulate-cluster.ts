// The processes of a simulated cluster (simulate-worker.ts) and its etcd: sends commands, and measures their cost.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { BenchEtcd, EtcdUsage } from './etcd.ts';
import type { WorkerAnswer, WorkerCommand } from './simulate-worker.ts';

const WORKER = fileURLToPath(new URL('simulate-worker.js', import.meta.url));
export const WORKERS = 2;
const HEAP_MB = 10_000;

/** What one phase took in the whole cluster. */
export interface Cost {
  readonly ms: number;
  readonly requests: number;
  /** To all hosts. */
  readonly bytes: number;
  readonly etcdProcessorMs: number;
  readonly hostsProcessorMs: number;
  readonly steps: number;
}

export class Cluster {
  readonly #etcd: BenchEtcd;
  readonly #workers: readonly ChildProcess[];

  constructor(etcd: BenchEtcd) {
    this.#etcd = etcd;
    const options = { execArgv: [`--max-old-space-size=${HEAP_MB}`] };
    this.#workers = Array.from({ length: WORKERS }, () => fork(WORKER, options));
  }

  /** Gives each process its command (none: it is left alone), then waits until all hosts have so many peers. */
  async run(
    commands: readonly (WorkerCommand | undefined)[],
    peers: number,
  ): Promise<readonly WorkerAnswer[]> {
    const answers = await Promise.all(
      this.#workers.map(async (worker, index) => {
        const command = commands[index];
        const first = command && (await request(worker, command));
        return sum([...(first ? [first] : []), await request(worker, { do: 'await', peers })]);
      }),
    );
    return answers;
  }

  all(command: WorkerCommand): Promise<readonly WorkerAnswer[]> {
    return this.each(this.#workers.map(() => command));
  }

  /** Gives each process its own command. */
  each(commands: readonly WorkerCommand[]): Promise<readonly WorkerAnswer[]> {
    return Promise.all(this.#workers.map((worker, index) => request(worker, commands[index]!)));
  }

  /** Counts what `act` takes; etcd's sums before are `before` if it was restarted meanwhile. */
  async cost(act: () => Promise<readonly WorkerAnswer[]>, isRestarted = false): Promise<Cost> {
    const before = isRestarted ? NOTHING : await this.#etcd.usage();
    const startMs = performance.now();
    const answers = await act();
    const ms = performance.now() - startMs;
    const after = await this.#etcd.usage();
    const { requests, steps, processorMs } = sum(answers);
    return {
      ms,
      requests,
      steps,
      bytes: after.sentBytes - before.sentBytes,
      etcdProcessorMs: (after.processorSec - before.processorSec) * 1000,
      hostsProcessorMs: processorMs,
    };
  }

  end(): void {
    for (const worker of this.#workers) worker.kill('SIGKILL');
  }
}

const NOTHING: EtcdUsage = {
  revision: 0,
  receivedBytes: 0,
  sentBytes: 0,
  processorSec: 0,
  residentBytes: 0,
  databaseBytes: 0,
};

async function request(worker: ChildProcess, command: WorkerCommand): Promise<WorkerAnswer> {
  const over = new AbortController();
  const listening = { signal: over.signal };
  const answered = once(worker, 'message', listening);
  const ended = once(worker, 'exit', listening).then(([code]) => {
    throw new Error(`A process of simulated hosts exited (${String(code)}) during the command ${command.do}`);
  });
  // Whichever does not come is given up below, which is no failure.
  for (const either of [answered, ended]) either.catch(() => undefined);
  try {
    worker.send(command);
    return ((await Promise.race([answered, ended])) as [WorkerAnswer])[0];
  } finally {
    over.abort();
  }
}

export function sum(answers: readonly WorkerAnswer[]): WorkerAnswer {
  const total = (pick: (answer: WorkerAnswer) => number) => answers.reduce((all, one) => all + pick(one), 0);
  return {
    requests: total(({ requests }) => requests),
    steps: total(({ steps }) => steps),
    processorMs: total(({ processorMs }) => processorMs),
    rssMb: total(({ rssMb }) => rssMb),
    subnets: answers.at(-1)?.subnets ?? [],
  };
}
