// One end of weft's packet path as a process of its own, in the network namespace that it is started in: `path-end.js
// CONFIG` opens the device with its routes and prints `ready`. Addresses and kernel routes are the caller's. Each line of
// input is answered with the status of the device; at the end of input and on SIGTERM it closes the device and goes.
import { createInterface } from 'node:readline';
import { loadNative } from '../../../native/index.ts';
import {
  openPacketPath,
  type PacketPath,
  type PathDevice,
  type PathOffloads,
  type PathRoute,
  type PathTuning,
} from '../../../native/packet-path.ts';

export interface PathEndConfig {
  readonly device: PathDevice;
  readonly tuning: Partial<PathTuning>;
  readonly settings: { readonly mtu: number; readonly ipv4?: string; readonly ipv6?: string };
  readonly routes: readonly PathRoute[];
}

export interface PathEndStatus {
  readonly counters: Readonly<Record<string, number>>;
  readonly offloads: PathOffloads;
  /** Why the kernel moves no packets by itself; empty if it does. */
  readonly bpfDisabledReason: string;
  /** Learned path MTUs by destination, in bytes. */
  readonly pathMtus: Readonly<Record<string, number>>;
}

/** Change to make before the status is read. */
export interface PathEndCommand {
  readonly setRoute?: PathRoute;
  readonly removeRoute?: string;
  /** Interfaces have changed. */
  readonly refresh?: boolean;
}

function obey(path: PacketPath, device: string, { setRoute, removeRoute, refresh }: PathEndCommand): void {
  if (setRoute !== undefined) path.setRoute(device, setRoute);
  if (removeRoute !== undefined) path.removeRoute(device, removeRoute);
  if (refresh === true) path.refresh(device);
}

async function main({ device, tuning, settings, routes }: PathEndConfig): Promise<void> {
  const loaded = loadNative();
  if (loaded.native === undefined) throw new Error(loaded.reason);
  const path = openPacketPath(loaded.native, tuning);
  path.open(device);
  path.configure(device.name, settings);
  for (const route of routes) path.setRoute(device.name, route);
  process.once('SIGTERM', () => {
    path.closeAll();
    process.exit();
  });
  console.log('ready');
  for await (const line of createInterface({ input: process.stdin })) {
    obey(path, device.name, JSON.parse(line) as PathEndCommand);
    const { counters, offloads, bpfDisabledReason = '' } = path.status(device.name);
    const learned = path.routeCounters(device.name).filter(({ pathMtu }) => pathMtu !== undefined);
    const status: PathEndStatus = {
      counters: Object.fromEntries(Object.entries(counters).map(([name, value]) => [name, Number(value)])),
      offloads,
      bpfDisabledReason,
      pathMtus: Object.fromEntries(learned.map(({ destination, pathMtu }) => [destination, pathMtu!])),
    };
    console.log(JSON.stringify(status));
  }
  path.closeAll();
}

await main(JSON.parse(process.argv[2]!) as PathEndConfig);
