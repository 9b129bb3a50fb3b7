// One end of weft's packet path as a process of its own, in the network namespace that it is started in: `path-end.js
// CONFIG` opens the device with its routes and says `ready`. Addresses and kernel routes are the caller's. Each line of
// input is answered with the status of the device; at the end of input it closes the device and goes.
import { createInterface } from 'node:readline';
import { loadNative } from '../../native/index.ts';
import {
  openPacketPath,
  type PathDevice,
  type PathOffloads,
  type PathRoute,
  type PathTuning,
} from '../../native/packet-path.ts';

export interface PathEndConfig {
  readonly device: PathDevice;
  readonly tuning: Partial<PathTuning>;
  readonly settings: { readonly mtu: number; readonly ipv4?: string; readonly ipv6?: string };
  readonly routes: readonly PathRoute[];
}

export interface PathEndStatus {
  readonly counters: Readonly<Record<string, number>>;
  readonly offloads: PathOffloads;
  /** Learned path MTUs by destination, in bytes. */
  readonly pathMtus: Readonly<Record<string, number>>;
}

async function main({ device, tuning, settings, routes }: PathEndConfig): Promise<void> {
  const loaded = loadNative();
  if (loaded.native === undefined) throw new Error(loaded.reason);
  const path = openPacketPath(loaded.native, tuning);
  path.open(device);
  path.configure(device.name, settings);
  for (const route of routes) path.setRoute(device.name, route);
  console.log('ready');
  for await (const _ of createInterface({ input: process.stdin })) {
    const { counters, offloads } = path.status(device.name);
    const learned = path.routeCounters(device.name).filter(({ pathMtu }) => pathMtu !== undefined);
    const status: PathEndStatus = {
      counters: Object.fromEntries(Object.entries(counters).map(([name, value]) => [name, Number(value)])),
      offloads,
      pathMtus: Object.fromEntries(learned.map(({ destination, pathMtu }) => [destination, pathMtu!])),
    };
    console.log(JSON.stringify(status));
  }
  path.closeAll();
}

await main(JSON.parse(process.argv[2]!) as PathEndConfig);
