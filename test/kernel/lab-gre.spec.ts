// The documentation's example of GRE tunnels by the backend extension.
import assert from 'node:assert/strict';
import { subnetOf } from '../../lab/run.ts';
import { waitFor } from '../../lab/wait.ts';
import { GRE_EXAMPLE, installGreExample } from '../support/gre-example.ts';
import { canPing, subnetKey, useLab, waitUntilReady } from '../support/lab-suite.ts';

const REPAIR_MS = 60_000;

describe('the example of GRE tunnels on a kernel with GRE', () => {
  const lab = useLab({ hosts: 2, bare: ['h1', 'h2'], config: GRE_EXAMPLE.config });

  it('carries packets of the MTU of the tunnel, and is removed with its peer', async () => {
    await installGreExample(lab());
    for (const name of ['h1', 'h2']) await lab().startDaemon(name);
    for (const name of ['h1', 'h2']) {
      await waitUntilReady(lab(), name);
      await lab().attachContainer(name);
    }
    await waitFor('traffic to flow', () => canPing(lab(), 'c1', 'h2'), REPAIR_MS);
    const full = ['ping', '-q', '-c', '2', '-M', 'do', '-s', '1448', await lab().containerAddress('h2')];
    await lab().check('c1', full);
    const devices = async () => (await lab().check('h1', ['ip', '-o', 'link', 'show', 'type', 'gre'])).trim();
    assert.match(await devices(), /gre-c6120102/);
    await lab().stopDaemon('h2');
    const key = subnetKey(await subnetOf(lab(), 'h2'));
    await lab().etcdctl(['del', '--prefix', `/coreos.com/network/subnets/${key}`]);
    await waitFor('the tunnel to be gone', async () => !(await devices()).includes('gre-c6'), REPAIR_MS);
  });
});
