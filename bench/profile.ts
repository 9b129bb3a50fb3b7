// Where does a cold start's time go? A daemon starts on a host of a cluster of 10,000, under V8's sampling profiler, until its last
// entry is in the kernel. Prints the share of each part of the program by its own time, without what it called; the whole
// profile stays in bench/out/profile.cpuprofile, for the performance tab of Chrome or for speedscope.
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Lab } from '../lab/lab.ts';
import { waitFor } from '../lab/wait.ts';
import { openWriter, startTimed } from './converge.ts';
import { BENCH_CONFIG } from './fill.ts';
import type { BenchResult, Figure } from './report.ts';

const PEERS = 10_000;
const KEPT = 'bench/out/profile.cpuprofile';
const SHOWN_FUNCTIONS = 25;
const END_LIMIT_MS = 20_000;

/** What is used here of V8's format: a sample is the node that ran, a delta the µs since the sample before. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export async function benchProfile(): Promise<BenchResult> {
  const profile = JSON.parse(await profileColdStart()) as Profile;
  const byFunction = selfTimes(profile, ({ functionName, url, lineNumber }) => {
    const name = functionName === '' ? '(anonymous)' : functionName;
    return url === '' ? name : `${name} ${partOf(url)}:${lineNumber + 1}`;
  });
  for (const [name, ms] of byFunction.slice(0, SHOWN_FUNCTIONS))
    console.log(`  ${ms.toFixed(0).padStart(6)} ms  ${name}`);
  const byPart = selfTimes(profile, ({ functionName, url }) => (url === '' ? functionName : folderOf(url)));
  return {
    bench: 'profile',
    falsifiedBy: 'it explains, it claims nothing',
    figures: byPart
      .filter(([, ms]) => ms >= 1)
      .map(([name, ms]): Figure => ({ name: `${PEERS} peers, cold start: ${name}`, unit: 'ms', runs: [ms] })),
  };
}

/** The text of the profile. */
async function profileColdStart(): Promise<string> {
  const lab = await Lab.create({ name: `profile-${process.pid}`, hosts: 1, start: false });
  try {
    await lab.startEtcd();
    await lab.putConfig(BENCH_CONFIG);
    const writer = openWriter(lab);
    await writer.send({ fill: PEERS });
    writer.end();
    const folder = lab.logFolder;
    const node = join(folder, 'node');
    const command = `exec '${process.execPath}' --cpu-prof --cpu-prof-interval 500 --cpu-prof-dir '${folder}' "$@"`;
    await writeFile(node, `#!/bin/sh\n${command}\n`, { mode: 0o755 });
    const daemon = await startTimed(lab, { node });
    daemon.end();
    let file: string | undefined;
    const isWritten = async (): Promise<boolean> => {
      file = (await readdir(folder)).find((name) => name.endsWith('.cpuprofile'));
      return file !== undefined && (await readFile(join(folder, file), 'utf8')).endsWith('}');
    };
    await waitFor('the profile', isWritten, END_LIMIT_MS);
    await mkdir('bench/out', { recursive: true });
    await copyFile(join(folder, file!), KEPT);
    return await readFile(KEPT, 'utf8');
  } finally {
    await lab.down();
  }
}

type Frame = Profile['nodes'][number]['callFrame'];

/** ms spent in each group of functions themselves, most first. */
function selfTimes(profile: Profile, groupOf: (frame: Frame) => string): [string, number][] {
  const groups = new Map(profile.nodes.map(({ id, callFrame }) => [id, groupOf(callFrame)]));
  const times = new Map<string, number>();
  for (const [index, sample] of profile.samples.entries()) {
    const group = groups.get(sample) ?? '(unknown)';
    times.set(group, (times.get(group) ?? 0) + (profile.timeDeltas[index] ?? 0) / 1000);
  }
  return [...times].toSorted(([, a], [, b]) => b - a);
}

/** `daemon/reconciler/diff.js`, `node_modules/protobufjs/…`, `node:net`. */
function partOf(url: string): string {
  return url.replace(/^.*\/(?=node_modules\/)/, '').replace(/^.*\/dist\//, '');
}

/** The folder, or the package. */
function folderOf(url: string): string {
  const part = partOf(url);
  if (part.startsWith('node:')) return 'node';
  const words = part.split('/');
  if (words[0] === 'node_modules') return words.slice(0, words[1]?.startsWith('@') ? 3 : 2).join('/');
  return words.slice(0, -1).join('/');
}
