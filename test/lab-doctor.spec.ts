// Faults, injected one after another into a healthy cluster: `weft doctor` names each cause, and
// reports no finding before and after.
import assert from 'node:assert/strict';
import { waitFor } from '../lab/wait.ts';
import { leaseKeys } from './support/daemon-view.ts';
import { CONFIG, describeFaults, runDoctor } from './support/doctor/fault.ts';
import { CLUSTER_FAULTS } from './support/doctor/cluster-faults.ts';
import { HOST_FAULTS, THIRD_FLAGS } from './support/doctor/host-faults.ts';
import { programmedPeers, useLab, waitUntilReady } from './support/lab-suite.ts';

const TIMEOUT_MS = 60_000;

describe('weft doctor', () => {
  const lab = useLab({ hosts: 3, config: CONFIG });

  before(async () => {
    await waitUntilReady(lab(), 'h3');
    await lab().stopDaemon('h3');
    await lab().startDaemon('h3', THIRD_FLAGS);
    for (const { name } of lab().topology.hosts) await waitUntilReady(lab(), name);
    await waitUntilHealthy();
  });

  const waitUntilHealthy = (): Promise<unknown> =>
    Promise.all(
      lab().topology.hosts.map(async ({ name }) => {
        await waitUntilReady(lab(), name);
        const isJoined = async (): Promise<boolean> => (await programmedPeers(lab(), name)).length === 2;
        await waitFor(`${name} to know only the others`, isJoined, TIMEOUT_MS, 50);
      }),
    );

  it('finds nothing on healthy hosts', async () => {
    assert.deepEqual((await runDoctor(lab(), 'h1')).findings, []);
    assert.equal((await leaseKeys(lab())).length, 3);
  });

  describeFaults(lab, [...CLUSTER_FAULTS, ...HOST_FAULTS], waitUntilHealthy);

  it('finds nothing after all faults are fixed', async () => {
    for (const { name } of lab().topology.hosts) {
      const isHealthy = async (): Promise<boolean> => (await runDoctor(lab(), name)).findings.length === 0;
      await waitFor(`${name} to be healthy`, isHealthy, TIMEOUT_MS);
    }
  });
});
