// Restarts of daemons whose packets a program in the kernel moves, with somebody who keeps their descriptors. Loading that
// takes the real root: test/in-namespaces.sh with AS_ROOT=1.
import assert from 'node:assert/strict';
import { before, describe, it } from 'mocha';
import type { Lab } from '../../lab/lab.ts';
import { toolFile } from '../../lab/tools.ts';
import { startPings } from '../../lab/traffic.ts';
import { waitFor } from '../../lab/wait.ts';
import { logOf } from '../support/daemon-view.ts';
import { canPing, useLab, waitUntilReady } from '../support/lab-suite.ts';

const WAIT_MS = 60_000;
const CONFIG = '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","Userspace":true}}';

/** Packets that the daemon of this moment has had a program in the kernel send. */
async function sentByKernel(lab: Lab, name: string): Promise<number> {
  const socketPath = JSON.stringify(lab.controlSocket(name));
  const script = `require('node:http').get({ socketPath: ${socketPath}, path: '/v1/counters' }, (r) => r.pipe(process.stdout))`;
  const { paths } = JSON.parse(await lab.check(name, [process.execPath, '-e', script])) as {
    paths: Record<string, Record<string, number>>;
  };
  return paths['flannel.1']!['kernelTxPackets']!;
}

describe('a restart while a program in the kernel moves packets', () => {
  const lab = useLab({ hosts: 2, bare: ['h1'], config: CONFIG });

  before(async () => {
    await lab().startDaemon('h1', [], [toolFile('fd-store')]);
    await lab().attachContainer('h1');
    for (const { name } of lab().topology.hosts) await waitUntilReady(lab(), name);
  });

  async function restart(): Promise<void> {
    const starts = async () => (await logOf(lab(), 'h1')).split('INFO  Ready ').length;
    const earlier = await starts();
    await lab().stopDaemon('h1', 'HUP');
    await waitFor('the daemon to be ready again', async () => (await starts()) > earlier, WAIT_MS);
  }

  it('loses no packet of a thousand a second each way: the program stays, and the next takes its place at once', async () => {
    const pings = [
      await startPings(lab(), 'c1', await lab().containerAddress('h2'), 500),
      await startPings(lab(), 'c2', await lab().containerAddress('h1'), 500),
    ];
    for (let round = 0; round < 2; round++) await restart();
    for (const ping of pings) assert.equal((await ping.stop()).lost, 0);
  });

  it('leaves the program of the new process at work, not that of the one before', async () => {
    await restart();
    assert.ok(await canPing(lab(), 'c1', 'h2'));
    assert.ok((await sentByKernel(lab(), 'h1')) > 0);
  });

  it('takes the program away where the kernel itself encapsulates from now on', async () => {
    await lab().putConfig(CONFIG.replace('true', 'false'));
    await restart();
    await waitUntilReady(lab(), 'h2');
    // What the program would still take from the underlay would go to a device that is gone.
    await waitFor('packets both ways', () => canPing(lab(), 'c1', 'h2'), WAIT_MS);
  });
});
