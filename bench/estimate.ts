// How long a run takes, roughly, for the line before it starts. Pure.
import type { RunArgs } from './args.ts';
import type { Job } from './plans.ts';

interface Typical {
  /** Of a whole benchmark without options, on an idle machine with two processors. */
  readonly sec: number;
  /** Rounds of that. */
  readonly rounds: number;
}

export const TYPICAL: Readonly<Record<string, Typical>> = {
  path: { sec: 1200, rounds: 3 },
  loss: { sec: 600, rounds: 3 },
  micro: { sec: 60, rounds: 5 },
  converge: { sec: 60, rounds: 3 },
  pauses: { sec: 30, rounds: 1 },
  kubernetes: { sec: 180, rounds: 1 },
  control: { sec: 60, rounds: 3 },
  simulate: { sec: 120, rounds: 1 },
  allocate: { sec: 120, rounds: 3 },
  repair: { sec: 120, rounds: 5 },
  config: { sec: 30, rounds: 5 },
  restart: { sec: 180, rounds: 1 },
  boot: { sec: 30, rounds: 7 },
  cni: { sec: 30, rounds: 30 },
  liveness: { sec: 360, rounds: 1 },
  // Waits until the daemon is at rest.
  idle: { sec: 540, rounds: 1 },
};

/** For example `about 20 minutes on an idle machine with two processors`. */
export function formatEstimate({ jobs, aboutSec }: Pick<RunArgs, 'jobs' | 'aboutSec'>): string {
  const sec = aboutSec ?? jobs.reduce((sum, job) => sum + secondsOf(job), 0);
  // Options choose a part of a benchmark.
  const isPart = aboutSec === undefined && jobs.some(({ args }) => args.length > 0);
  const [count, unit] = sec < 90 ? [Math.ceil(sec / 5) * 5, 'seconds'] : [Math.round(sec / 60), 'minutes'];
  return `${isPart ? 'at most ' : ''}about ${count} ${unit} on an idle machine with two processors`;
}

function secondsOf({ benchmark, rounds }: Job): number {
  const typical = TYPICAL[benchmark]!;
  return typical.sec * ((rounds ?? typical.rounds) / typical.rounds);
}
