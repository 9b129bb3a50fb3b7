// Faults of the backend wireguard, injected one after another: `weft doctor` names each cause with its remedy, and reports no
// finding before and after.
import { waitFor } from '../lab/wait.ts';
import { describeFaults, runDoctor } from './support/doctor/fault.ts';
import { canPing, useLab, waitUntilReady } from './support/lab-suite.ts';
import { MODULE_MISSING, PSK, WIREGUARD_FAULTS } from './support/wireguard/doctor-faults-wireguard.ts';

const REPAIR_MS = 60_000;

describe('weft doctor with wireguard', () => {
  const config = JSON.stringify({ Network: '10.5.0.0/16', Backend: { Type: 'wireguard', PSK } });
  const lab = useLab({ hosts: 3, bare: ['h3'], config });
  const names = ['h1', 'h2'];

  const waitUntilHealthy = async (): Promise<void> => {
    for (const name of names) await waitUntilReady(lab(), name);
    await waitFor('traffic to flow', () => canPing(lab(), 'c1', 'h2'), REPAIR_MS);
  };

  async function waitUntilNothingIsFound(): Promise<void> {
    for (const name of names) {
      let found: object = [];
      const isHealthy = async (): Promise<boolean> => {
        const { findings } = await runDoctor(lab(), name);
        found = findings;
        return findings.length === 0;
      };
      await waitFor(`${name} to be healthy`, isHealthy, REPAIR_MS).catch((error: Error) => {
        throw new Error(`${error.message}: ${JSON.stringify(found, null, 1)}`);
      });
    }
  }

  before(waitUntilHealthy);

  it('finds nothing on healthy hosts', waitUntilNothingIsFound);

  describeFaults(lab, [MODULE_MISSING, ...WIREGUARD_FAULTS], waitUntilHealthy);

  it('finds nothing after all faults are fixed', waitUntilNothingIsFound);
});
