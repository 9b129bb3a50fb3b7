// GET /v1/counters: everything that counts upwards, in one document, to compute rates from.
import type { NodeView, PacketPathView } from '../view/node-view.ts';
import { readDeviceCounters } from '../view/device-counters.ts';
import type { Endpoint } from './endpoint.ts';
import { CONTROL_VERSION } from '../../api/index.ts';
import type { CountersV1 } from '../../api/index.ts';
import { wallTime } from '../../lib/wall-time.ts';

export const countersEndpoint: Endpoint = {
  method: 'GET',
  path: '/v1/counters',
  summary: 'counters of devices, packet path, kernel work and this process',
  handle: async (daemon) => ({ json: await countersOf(daemon) }),
};

async function countersOf(daemon: NodeView): Promise<CountersV1> {
  const { reconciler, snapshot, registryCache, packetPath, startedMs } = daemon;
  const counters = await readDeviceCounters(packetPath);
  const names = [...(reconciler?.ownership?.devices ?? []), ...(snapshot ? [snapshot.chosen.name] : [])];
  const { user, system } = process.cpuUsage();
  const nowMs = daemon.clock.nowMs();
  const { peers = 0, inSync = 0, pending = 0, errors = 0 } = reconciler?.summary() ?? {};
  return {
    version: CONTROL_VERSION,
    at: wallTime(nowMs),
    uptimeMs: nowMs - startedMs,
    daemon: { cpuMs: (user + system) / 1000, memoryBytes: process.memoryUsage.rss() },
    devices: Object.fromEntries(
      names.flatMap((name) => (counters.has(name) ? [[name, counters.get(name)!]] : [])),
    ),
    paths: pathsOf(packetPath),
    kernel: kernelOf(daemon),
    peers: { total: peers, inSync, pending, errors },
    registry: { isConnected: registryCache?.isConnected ?? false, revision: registryCache?.revision ?? 0 },
  };
}

function pathsOf(packetPath: PacketPathView | undefined): CountersV1['paths'] {
  const paths = (packetPath?.devices() ?? []).map(({ name }) => {
    const counters = Object.entries(packetPath!.status(name).counters);
    return [name, Object.fromEntries(counters.map(([counter, value]) => [counter, Number(value)]))] as const;
  });
  return Object.fromEntries(paths);
}

function kernelOf({ reconciler }: NodeView): CountersV1['kernel'] {
  if (reconciler === undefined) return { runs: 0, steps: 0, drift: 0, failures: 0 };
  const { runs, steps, drift, failures } = reconciler.status().counters;
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
  const allSteps = sum(Object.values(steps).flatMap(({ set, remove }) => [set, remove]));
  return { runs, steps: allSteps, drift: sum(Object.values(drift)), failures };
}
