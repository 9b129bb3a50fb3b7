// Faults, injected one after another into a healthy cluster: `weft doctor` names each cause, and
// reports no finding before and after.
import assert from 'node:assert/strict';
import type { DoctorV1 } from '../cli/doctor/report.ts';
import { waitFor } from '../lab/wait.ts';
import { leaseKeys } from './support/daemon-view.ts';
import { CONFIG, type Fault } from './support/doctor/fault.ts';
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

  async function runDoctor(host: string, args: readonly string[] = []): Promise<DoctorV1 & { code: number }> {
    const { code, stdout, stderr } = await lab().weft(host, ['doctor', '--json', ...args]);
    assert.match(stdout, /^\{/, stderr);
    return { ...(JSON.parse(stdout) as DoctorV1), code };
  }

  const waitUntilHealthy = (): Promise<unknown> =>
    Promise.all(
      lab().topology.hosts.map(async ({ name }) => {
        await waitUntilReady(lab(), name);
        const isJoined = async (): Promise<boolean> => (await programmedPeers(lab(), name)).length === 2;
        await waitFor(`${name} to know only the others`, isJoined, TIMEOUT_MS, 50);
      }),
    );

  const run = (step: Fault['breaks'], host: string): Promise<unknown> =>
    typeof step === 'string' ? lab().check(host, ['sh', '-c', step]) : step(lab());

  it('finds nothing on healthy hosts', async () => {
    assert.deepEqual((await runDoctor('h1')).findings, []);
    assert.equal((await leaseKeys(lab())).length, 3);
  });

  for (const fault of [...CLUSTER_FAULTS, ...HOST_FAULTS])
    it(`names the cause: ${fault.name}`, async () => {
      const { breaks, fixes, finds, evidence, host = 'h1', runsOn = host, args = [] } = fault;
      const doctorHost = lab().topology.hosts.some(({ name }) => name === runsOn) ? runsOn : 'h1';
      await run(breaks, host);
      try {
        let last: DoctorV1 | undefined;
        const isNamed = async (): Promise<boolean> => {
          last = await runDoctor(doctorHost, ['--only', finds.join(), ...args]);
          return finds.every((id) => last?.findings.some(({ check }) => check === id));
        };
        await waitFor(`it to find ${finds.join(' and ')}`, isNamed, TIMEOUT_MS).catch((error: Error) => {
          throw new Error(`${error.message}: ${JSON.stringify(last?.findings, null, 1)}`);
        });
        const first = last!.findings.find(({ check }) => check === finds[0])!;
        assert.match(first.evidence.join('\n'), evidence);
      } finally {
        await run(fixes, host);
        await waitUntilHealthy();
      }
    });

  it('finds nothing after all faults are fixed', async () => {
    for (const { name } of lab().topology.hosts) {
      const isHealthy = async (): Promise<boolean> => (await runDoctor(name)).findings.length === 0;
      await waitFor(`${name} to be healthy`, isHealthy, TIMEOUT_MS);
    }
  });
});
