// Broken networks, made one after another on a cluster that is whole: `weft doctor` names each cause, and finds nothing
// before and after.
import assert from 'node:assert/strict';
import type { DoctorV1 } from '../cli/doctor/report.ts';
import { waitFor } from '../lab/wait.ts';
import { leaseKeys } from './support/daemon-view.ts';
import { CONFIG, type Fault } from './support/doctor-fault.ts';
import { CLUSTER_FAULTS } from './support/doctor-faults-cluster.ts';
import { HOST_FAULTS, THIRD_FLAGS } from './support/doctor-faults-host.ts';
import { programmedPeers, useLab, waitUntilReady } from './support/lab-suite.ts';

const PATIENCE_MS = 60_000;

describe('weft doctor', () => {
  const lab = useLab({ hosts: 3, config: CONFIG });

  before(async () => {
    await waitUntilReady(lab(), 'h3');
    await lab().stopDaemon('h3');
    await lab().startDaemon('h3', THIRD_FLAGS);
    for (const { name } of lab().topology.hosts) await waitUntilReady(lab(), name);
    await waitUntilWhole();
  });

  async function examine(host: string, words: readonly string[] = []): Promise<DoctorV1 & { code: number }> {
    const { code, stdout, stderr } = await lab().weft(host, ['doctor', '--json', ...words]);
    assert.match(stdout, /^\{/, stderr);
    return { ...(JSON.parse(stdout) as DoctorV1), code };
  }

  const waitUntilWhole = (): Promise<unknown> =>
    Promise.all(
      lab().topology.hosts.map(async ({ name }) => {
        await waitUntilReady(lab(), name);
        const isJoined = async (): Promise<boolean> => (await programmedPeers(lab(), name)).length === 2;
        await waitFor(`${name} to know the others only`, isJoined, PATIENCE_MS, 50);
      }),
    );

  const run = (step: Fault['breaks'], host: string): Promise<unknown> =>
    typeof step === 'string' ? lab().check(host, ['sh', '-c', step]) : step(lab());

  it('finds nothing on hosts that are well', async () => {
    assert.deepEqual((await examine('h1')).findings, []);
    assert.equal((await leaseKeys(lab())).length, 3);
  });

  for (const fault of [...CLUSTER_FAULTS, ...HOST_FAULTS])
    it(`names the cause: ${fault.name}`, async () => {
      const { breaks, mends, finds, evidence, host = 'h1', asks = host, words = [] } = fault;
      const asked = lab().topology.hosts.some(({ name }) => name === asks) ? asks : 'h1';
      await run(breaks, host);
      try {
        let last: DoctorV1 | undefined;
        const isNamed = async (): Promise<boolean> => {
          last = await examine(asked, ['--only', finds.join(), ...words]);
          return finds.every((id) => last?.findings.some(({ check }) => check === id));
        };
        await waitFor(`it to find ${finds.join(' and ')}`, isNamed, PATIENCE_MS).catch((error: Error) => {
          throw new Error(`${error.message}: ${JSON.stringify(last?.findings, null, 1)}`);
        });
        const first = last!.findings.find(({ check }) => check === finds[0])!;
        assert.match(first.evidence.join('\n'), evidence);
      } finally {
        await run(mends, host);
        await waitUntilWhole();
      }
    });

  it('finds nothing when all is mended', async () => {
    for (const { name } of lab().topology.hosts) {
      const isWell = async (): Promise<boolean> => (await examine(name)).findings.length === 0;
      await waitFor(`${name} to be well`, isWell, PATIENCE_MS);
    }
  });
});
