// What does weft-cni cost a container? ADD by weft-cni, which ends in bridge's ADD, beside bridge with the same config: one
// container after another, and 20 at once. weft-cni is measured with a daemon, which answers it, and without one, where it
// starts Node; a Node that does nothing is the least of that. All on one host, with network namespaces as containers.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../lab/package-root.ts';
import { deriveDelegateConfig } from '../../containers/cni/delegate-config.ts';
import { parseHostSubnet } from '../../containers/cni/host-subnet.ts';
import { parseNetwork } from '../../containers/cni/network.ts';
import type { Measure, BenchmarkRecord } from '../record.ts';
import { requireBuilds } from './installed.ts';
import { PLUGIN_FOLDER, startCniDaemon, timeAdds, timeNode, type Plugin } from './cni-calls.ts';

const SUBNET_ENV =
  'FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n';
/** Rounds before the first that counts: files are in memory then. */
const WARM_ROUNDS = 2;
const AT_ONCE = 20;
/** Rounds of {@link AT_ONCE}, of those of one container. */
const AT_ONCE_SHARE = 3;

const WEFT_CNI = join(packageRoot(), 'dist/weft-cni');
const NAMES = {
  bridge: 'bridge, same config',
  weft: 'weft-cni',
  alone: 'weft-cni without a daemon',
} as const;
type Candidate = keyof typeof NAMES;
const CANDIDATES = Object.keys(NAMES) as readonly Candidate[];
type Runs = Readonly<Record<Candidate, number[]>>;

/** The plugin, and the daemon that answers it. */
export const CNI_BUILDS = ['dist/weft-cni', 'dist/weft.mjs'] as const;

/** @throws Error before anything is measured. */
export function requireCniBuild(root = packageRoot()): void {
  requireBuilds('cni', CNI_BUILDS, root);
}

export async function benchCni(rounds = 30): Promise<BenchmarkRecord> {
  requireCniBuild();
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-cni-'));
  const daemon = await startCniDaemon(folder);
  try {
    return {
      benchmark: 'cni',
      invalidatedBy: 'a container waits for weft-cni 1.3 times as long as for bridge, or 20 at once do',
      conditions: { warmRounds: WARM_ROUNDS, atOnce: AT_ONCE },
      measures: await measure(folder, daemon.socket, rounds),
    };
  } finally {
    await daemon.stop();
    rmSync(folder, { recursive: true });
  }
}

async function measure(folder: string, socket: string, rounds: number): Promise<Measure[]> {
  const plugins = pluginsOf(folder, socket);
  const nothing = join(folder, 'nothing.cjs');
  writeFileSync(nothing, '');
  const single: Runs = { bridge: [], weft: [], alone: [] };
  const atOnce: Runs = { bridge: [], weft: [], alone: [] };
  const node: number[] = [];
  for (let round = -WARM_ROUNDS; round < rounds; round++) {
    for (const name of CANDIDATES) keep(single[name], round, await timeAdds(plugins[name], 1));
    keep(node, round, timeNode(nothing));
    if (round % AT_ONCE_SHARE !== 0) continue;
    for (const name of CANDIDATES) keep(atOnce[name], round, await timeAdds(plugins[name], AT_ONCE));
  }
  return [
    { ...measureOf('ADD', single), reference: NAMES.bridge },
    { ...measureOf(`${AT_ONCE} ADDs at once`, atOnce), reference: NAMES.bridge },
    {
      name: 'weft-cni beyond bridge, in starts of Node',
      unit: 'ratio',
      better: 'less',
      subjects: (['weft', 'alone'] as const).map((name) => ({
        name: NAMES[name],
        rounds: single[name].map((ms, round) => (ms - single.bridge[round]!) / node[round]!),
        threshold: { of: 'value', atMost: 1.5 },
      })),
    },
  ];
}

function keep(runs: number[], round: number, ms: number): void {
  if (round >= 0) runs.push(ms);
}

function measureOf(name: string, runs: Runs): Measure {
  const subjects = CANDIDATES.map((candidate) => ({
    name: NAMES[candidate],
    rounds: runs[candidate],
    ...(candidate === 'weft' && { threshold: { of: 'ratio' as const, atMost: 1.3 } }),
  }));
  return { name, unit: 'ms', better: 'less', subjects };
}

function pluginsOf(folder: string, socket: string): Readonly<Record<Candidate, Plugin>> {
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
    bridge: { file: join(PLUGIN_FOLDER, 'bridge'), config: JSON.stringify(delegate), socket: '' },
    weft: { file: WEFT_CNI, config: weft, socket },
    alone: { file: WEFT_CNI, config: weft, socket: join(folder, 'no-daemon') },
  };
}
