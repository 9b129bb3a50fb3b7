// One end of a tunnel of weft's userspace packet path, as a process of its own: `path-end.js CONFIG` opens the device,
// gives it its address, and says `ready`. Then one JSON command a line on standard input, one line of answer each; at the
// end of its input it closes the device and goes. No packet passes through here.
import { execFileSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { loadNative } from '../../../native/index.ts';
import {
  openPacketPath,
  type PacketPath,
  type PathDevice,
  type PathRoute,
  type PathTuning,
} from '../../../native/packet-path.ts';
import { peer } from './path-plan.ts';
import { anonymousBytes } from '../path-process.ts';

export interface EndConfig {
  readonly device: PathDevice;
  readonly tuning: PathTuning;
  readonly mtu: number;
  /** Overlay address of this end. */
  readonly address: string;
  /** The other end. */
  readonly route: PathRoute;
}

export interface EndCommand {
  /** Routes to so many peers, all of them the other end: each at an underlay address of its own, or all at the same. */
  readonly peers?: { readonly count: number; readonly haveOwnRemotes: boolean };
}

/** The answer to every command. */
export interface EndStatus {
  readonly counters: Readonly<Record<string, number>>;
  readonly offloads: Readonly<Record<string, boolean>>;
  /** Why no BPF program moves packets; empty if one does. */
  readonly bpfDisabledReason: string;
  readonly routes: number;
  /** What the path takes: anonymous memory now, less that before the device was opened. */
  readonly pathBytes: number;
}

function ip(args: string): void {
  execFileSync('ip', args.split(' '), { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Collects garbage first: what JavaScript left behind is not the path's. */
async function ownMemory(): Promise<number> {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return anonymousBytes('/proc/self');
}

function openEnd(path: PacketPath, { device, mtu, address, route }: EndConfig): void {
  path.open(device);
  path.configure(device.name, { mtu, ipv4: address });
  ip(`addr add ${address}/32 dev ${device.name}`);
  ip(`link set ${device.name} mtu ${mtu} up`);
  ip(`route add ${route.destination} dev ${device.name}`);
  path.setRoute(device.name, route);
}

function setPeers(path: PacketPath, { device, route }: EndConfig, peers: EndCommand['peers'] & object): void {
  for (let index = 0; index < peers.count; index++) {
    const { subnet, remote } = peer(index);
    const own = peers.haveOwnRemotes ? { remote } : {};
    path.setRoute(device.name, { ...route, destination: `${subnet}/24`, ...own });
  }
}

async function main(config: EndConfig): Promise<void> {
  const loaded = loadNative();
  if (loaded.native === undefined) throw new Error(loaded.reason);
  const { name } = config.device;
  const beforeBytes = await ownMemory();
  const path = openPacketPath(loaded.native, config.tuning);
  openEnd(path, config);
  console.log('ready');
  for await (const line of createInterface({ input: process.stdin })) {
    const { peers } = JSON.parse(line) as EndCommand;
    if (peers) setPeers(path, config, peers);
    const { counters, offloads, routes, bpfDisabledReason = '' } = path.status(name);
    const status: EndStatus = {
      counters: Object.fromEntries(Object.entries(counters).map(([key, value]) => [key, Number(value)])),
      offloads: { ...offloads },
      bpfDisabledReason,
      routes,
      pathBytes: (await ownMemory()) - beforeBytes,
    };
    console.log(JSON.stringify(status));
  }
  path.closeAll();
}

await main(JSON.parse(process.argv[2]!) as EndConfig);
