// How long are the containers of a host that boots without their network? Nothing of weft is in the kernel, the lease is in
// etcd; from the start of the program until the first packet between containers of two hosts, for the program as it is
// installed (one bundle) and as it lies in the project (many files).
import { Lab } from '../../lab/lab.ts';
import { insteadOf, installFiles, withInstalled } from './installed.ts';
import type { BenchmarkRecord } from '../record.ts';

const PING_INTERVAL_SEC = '0.005';
const NOTE_TIME = 'date +%s%N >/run/started';

type Programs = Readonly<Record<'installed' | 'files', string>>;
type Runs = Readonly<Record<keyof Programs, number[]>>;

export async function benchBoot(rounds = 7): Promise<BenchmarkRecord> {
  const runs = await withInstalled((installed) =>
    withInstalled((files) => measureAll({ installed, files }, rounds), installFiles),
  );
  return {
    benchmark: 'boot',
    invalidatedBy: 'the program as installed takes longer than as many files',
    conditions: { hosts: 2 },
    measures: [
      {
        name: 'program start to first container packet',
        unit: 'ms',
        better: 'less',
        reference: 'as files',
        subjects: [
          { name: 'as files', rounds: runs.files },
          { name: 'installed', rounds: runs.installed, threshold: { of: 'ratio', atMost: 1 } },
        ],
      },
    ],
  };
}

async function measureAll(programs: Programs, rounds: number): Promise<Runs> {
  const runs: Runs = { installed: [], files: [] };
  const lab = await Lab.create({ name: `boot-${process.pid}`, hosts: 2 });
  try {
    // The first start of an installation compiles its code.
    await measure(lab, programs.installed);
    for (let round = 0; round < rounds; round++)
      for (const name of ['installed', 'files'] as const) runs[name].push(await measure(lab, programs[name]));
    return runs;
  } finally {
    await lab.down();
  }
}

/** Resolves with the milliseconds from start to first packet of one boot of h1's weft. */
async function measure(lab: Lab, program: string): Promise<number> {
  await lab.stopDaemon('h1');
  await lab.check('h1', ['ip', 'link', 'del', 'flannel.1']);
  const reply = firstReply(lab, await lab.containerAddress('h2'));
  await lab.startDaemon('h1', ['--log-level=warn'], insteadOf(program, NOTE_TIME));
  const repliedMs = await reply;
  return repliedMs - Number(await lab.check('h1', ['cat', '/run/started'])) / 1e6;
}

/** When `address` first answered container c1, in ms since the epoch. */
async function firstReply(lab: Lab, address: string): Promise<number> {
  const script = 'ping -D -n -i "$1" "$2" | grep -m 1 "bytes from"';
  const reply = await lab.check('c1', ['sh', '-c', script, 'sh', PING_INTERVAL_SEC, address]);
  return Number(/^\[([\d.]+)\]/.exec(reply)![1]) * 1000;
}
