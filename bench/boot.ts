// How long are the containers of a host that boots without their network? Nothing of weft is in the kernel, the lease is in
// etcd; from the start of the program until the first packet between containers of two hosts, for the program as it is
// installed (one bundle) and as it lies in the project (many files).
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Lab } from '../lab/lab.ts';
import { insteadOf, installBundle, installFiles } from './installed.ts';
import type { PartRecord } from './record.ts';

const PING_INTERVAL_SEC = '0.005';
const NOTE_TIME = 'date +%s%N >/run/started';

export async function benchBoot(rounds = 7): Promise<PartRecord> {
  const folders = { installed: installBundle(), files: installFiles() };
  const runs: Record<keyof typeof folders, number[]> = { installed: [], files: [] };
  const lab = await Lab.create({ name: `boot-${process.pid}`, hosts: 2 });
  try {
    for (let round = 0; round < rounds; round++)
      for (const name of ['installed', 'files'] as const)
        runs[name].push(await measure(lab, join(folders[name], 'bin/weft')));
  } finally {
    await lab.down();
    for (const folder of Object.values(folders)) rmSync(folder, { recursive: true });
  }
  return {
    part: 'boot',
    falsifiedBy: 'the program as installed takes longer than as many files',
    conditions: { hosts: 2 },
    measures: [
      {
        name: 'program start to first container packet',
        unit: 'ms',
        better: 'less',
        reference: 'as files',
        subjects: [
          { name: 'as files', rounds: runs.files },
          { name: 'installed', rounds: runs.installed, promise: { of: 'ratio', atMost: 1 } },
        ],
      },
    ],
  };
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
