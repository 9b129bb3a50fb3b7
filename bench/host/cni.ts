// What does weft-cni cost a container? ADD by weft-cni, which ends in bridge's ADD, beside bridge with the same config, and
// beside a Node that does nothing, which is the least that a plugin in JavaScript can take. One round after another on
// one host, each candidate with a network namespace of its own.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../lab/package-root.ts';
import { deriveDelegateConfig } from '../../containers/cni/delegate-config.ts';
import { parseHostSubnet } from '../../containers/cni/host-subnet.ts';
import { parseNetwork } from '../../containers/cni/network.ts';
import type { Measure, BenchmarkRecord } from '../record.ts';

const PLUGINS = '/usr/lib/cni';
const SUBNET_ENV =
  'FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n';
/** Rounds before the first that counts: files are in memory then. */
const WARM_ROUNDS = 2;

const WEFT_CNI = join(packageRoot(), 'dist/weft-cni.cjs');

interface Candidate {
  readonly file: string;
  readonly config: string;
}

export function benchCni(rounds = 30): Promise<BenchmarkRecord> {
  if (!existsSync(WEFT_CNI)) throw new Error(`There is no ${WEFT_CNI}: run make bundle`);
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-cni-'));
  try {
    const { weft, bridge } = candidates(folder);
    const nothing = join(folder, 'nothing.cjs');
    writeFileSync(nothing, '');
    const runs = { weft: [] as number[], bridge: [] as number[], node: [] as number[] };
    for (let round = -WARM_ROUNDS; round < rounds; round++) {
      const times = { weft: timeAdd(weft, round), bridge: timeAdd(bridge, round), node: timeNode(nothing) };
      if (round >= 0) for (const name of ['weft', 'bridge', 'node'] as const) runs[name].push(times[name]);
    }
    return Promise.resolve({
      benchmark: 'cni',
      invalidatedBy: 'weft-cni takes more beyond bridge than one and a half starts of Node',
      conditions: { warmRounds: WARM_ROUNDS },
      measures: measuresOf(runs),
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function measuresOf(runs: Readonly<Record<'weft' | 'bridge' | 'node', readonly number[]>>): Measure[] {
  const own = runs.weft.map((ms, round) => (ms - runs.bridge[round]!) / runs.node[round]!);
  const subjects = [
    { name: 'bridge, same config', rounds: runs.bridge },
    { name: 'weft-cni', rounds: runs.weft },
    { name: 'Node, started to do nothing', rounds: runs.node },
  ];
  return [
    { name: 'ADD', unit: 'ms', better: 'less', reference: 'bridge, same config', subjects },
    {
      name: 'weft-cni beyond bridge, in starts of Node',
      unit: 'ratio',
      better: 'less',
      subjects: [{ name: 'weft-cni', rounds: own, threshold: { of: 'value', atMost: 1.5 } }],
    },
  ];
}

function candidates(folder: string): { readonly weft: Candidate; readonly bridge: Candidate } {
  const subnetFile = join(folder, 'subnet.env');
  writeFileSync(subnetFile, SUBNET_ENV);
  mkdirSync('/run/netns', { recursive: true });
  const network = {
    cniVersion: '1.0.0',
    name: 'bench',
    type: 'weft-cni',
    subnetFile,
    dataDir: join(folder, 'data'),
    delegate: { isDefaultGateway: true },
    ipam: { dataDir: join(folder, 'addresses') },
  };
  const weft = JSON.stringify(network);
  const delegate = deriveDelegateConfig(parseNetwork(weft), parseHostSubnet(SUBNET_ENV, subnetFile));
  return {
    weft: { file: WEFT_CNI, config: weft },
    bridge: { file: join(PLUGINS, 'bridge'), config: JSON.stringify(delegate) },
  };
}

/** Milliseconds from before the plugin is started until it has ended. Making and removing the container do not count. */
function timeAdd(candidate: Candidate, round: number): number {
  const id = `bench${round + WARM_ROUNDS}`;
  check('ip', ['netns', 'add', id]);
  try {
    const startMs = performance.now();
    call(candidate, 'ADD', id);
    const ms = performance.now() - startMs;
    call(candidate, 'DEL', id);
    return ms;
  } finally {
    check('ip', ['netns', 'del', id]);
  }
}

function timeNode(program: string): number {
  const startMs = performance.now();
  check(process.execPath, [program]);
  return performance.now() - startMs;
}

function call({ file, config }: Candidate, command: string, id: string): void {
  const variables = { CNI_COMMAND: command, CNI_CONTAINERID: id, CNI_IFNAME: 'eth0', CNI_PATH: PLUGINS };
  const env = { PATH: process.env['PATH'], CNI_NETNS: `/run/netns/${id}`, ...variables };
  check(file, [], { env, input: config });
}

function check(file: string, argv: readonly string[], options: object = {}): void {
  const { status, stdout, stderr, error } = spawnSync(file, argv, { encoding: 'utf8', ...options });
  if (status !== 0)
    throw new Error(`${file} ${argv.join(' ')} failed (${status}): ${error?.message ?? stdout + stderr}`);
}
