// Processor time and wake-ups of a process, over all of its threads.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Usage {
  readonly processorMs: number;
  readonly wakeUps: number;
}

/** What all threads whose folders are in `folder`, a `/proc/PID/task`, use within `ms`. */
export async function watchUsage(folder: string, ms: number): Promise<Usage> {
  const before = usageOf(folder);
  await sleep(ms);
  const after = usageOf(folder);
  return {
    processorMs: after.processorMs - before.processorMs,
    wakeUps: after.wakeUps - before.wakeUps,
  };
}

/** Sums over threads: time on a processor (schedstat, in ns), and how often they were put on one of their own will. */
function usageOf(folder: string): Usage {
  let [processorMs, wakeUps] = [0, 0];
  for (const task of readdirSync(folder)) {
    processorMs += Number(readFileSync(`${folder}/${task}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
    const status = readFileSync(`${folder}/${task}/status`, 'utf8');
    wakeUps += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
  }
  return { processorMs, wakeUps };
}
