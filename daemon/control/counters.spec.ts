import assert from 'node:assert/strict';
import type { CountersV1 } from '../../api/index.ts';
import type { NodeView } from '../view/node-view.ts';
import { countersEndpoint } from './counters.ts';
import type { ControlledNode, ControlRequest } from './endpoint.ts';

const NODE = {
  clock: { nowMs: () => 5000 },
  startedMs: 1500,
  snapshot: { chosen: { name: 'lo' } },
  registryCache: { isConnected: true, revision: 7 },
  packetPath: {
    devices: () => [{ name: 'flannel0' }, { name: 'flannel.7' }],
    status: (name: string) => ({
      counters: name === 'flannel0' ? { txPackets: 1n, rxPackets: 2n } : { txPackets: 3n },
    }),
  },
  reconciler: {
    ownership: { devices: ['none.1'] },
    summary: () => ({ peers: 100, inSync: 60, pending: 30, errors: 10 }),
    status: () => ({
      counters: {
        runs: 11,
        steps: { route: { set: 100, remove: 20 }, fdb: { set: 3, remove: 4000 } },
        drift: { route: 5, link: 60 },
        failures: 12,
      },
    }),
  },
} as unknown as NodeView;

async function counters(node: NodeView): Promise<CountersV1> {
  const answer = await countersEndpoint.handle(node as ControlledNode, {} as ControlRequest);
  return (answer as unknown as { readonly json: CountersV1 }).json;
}

describe('GET /v1/counters', () => {
  const cpuUsage = process.cpuUsage.bind(process);
  afterEach(() => Object.assign(process, { cpuUsage }));

  it('has each value in its own field', async () => {
    const {
      at: _at,
      devices,
      ...rest
    } = await (Object.assign(process, {
      cpuUsage: () => ({ user: 1_500_000, system: 250_000 }),
    }),
    counters(NODE));
    const { memoryBytes, ...daemon } = rest.daemon;
    assert.deepEqual(
      { ...rest, daemon },
      {
        version: 1,
        uptimeMs: 3500,
        daemon: { cpuMs: 1750 },
        paths: { flannel0: { txPackets: 1, rxPackets: 2 }, 'flannel.7': { txPackets: 3 } },
        kernel: { runs: 11, steps: 4123, drift: 65, failures: 12 },
        peers: { total: 100, inSync: 60, pending: 30, errors: 10 },
        registry: { isConnected: true, revision: 7 },
      },
    );
    assert.deepEqual(Object.keys(devices), ['lo']);
    assert.ok(memoryBytes > 2 ** 20 && memoryBytes < 2 ** 35, `${memoryBytes} bytes`);
  });

  it('has zeros for what is unknown', async () => {
    const node = { clock: NODE.clock, startedMs: 0 } as unknown as NodeView;
    const { devices, paths, kernel, peers, registry } = await counters(node);
    assert.deepEqual(
      { devices, paths, kernel, peers, registry },
      {
        devices: {},
        paths: {},
        kernel: { runs: 0, steps: 0, drift: 0, failures: 0 },
        peers: { total: 0, inSync: 0, pending: 0, errors: 0 },
        registry: { isConnected: false, revision: 0 },
      },
    );
  });
});
