// Restarts of daemons whose packets a program in the kernel moves, with a descriptor store. Loading that
// takes the real root: test/in-namespaces.sh with AS_ROOT=1.
import assert from 'node:assert/strict';
import { before, describe, it } from 'mocha';
import type { Lab } from '../../lab/lab.ts';
import { toolFile } from '../../lab/tools.ts';
import { startPings } from '../../lab/traffic.ts';
import { waitFor } from '../../lab/wait.ts';
import { logOf, restartKept } from '../support/daemon-view.ts';
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

describe('a restart of a daemon whose descriptors are kept', () => {
  const lab = useLab({ hosts: 2, bare: ['h1'], config: CONFIG });

  before(async () => {
    await start([]);
    await lab().attachContainer('h1');
    await waitUntilReady(lab(), 'h2');
  });

  async function start(flags: readonly string[]): Promise<void> {
    await lab().startDaemon('h1', flags, [toolFile('fd-store')]);
    await waitUntilReady(lab(), 'h1');
  }

  async function assertNothingLost(): Promise<void> {
    const pings = [
      await startPings(lab(), 'c1', await lab().containerAddress('h2'), 500),
      await startPings(lab(), 'c2', await lab().containerAddress('h1'), 500),
    ];
    for (let round = 0; round < 2; round++) await restartKept(lab(), 'h1');
    for (const ping of pings) assert.equal((await ping.stop()).lost, 0);
  }

  it('loses none of a thousand packets a second while a program in the kernel moves them', assertNothingLost);

  it('leaves the program of the new process at work, not that of the one before', async () => {
    await restartKept(lab(), 'h1');
    assert.ok(await canPing(lab(), 'c1', 'h2'));
    assert.ok((await sentByKernel(lab(), 'h1')) > 0);
  });

  it('loses none where workers move them: they wait in queues, and the next process knows at once where they go', async () => {
    await lab().stopDaemon('h1');
    await start(['--bpf=off']);
    await waitFor('packets in both directions', () => canPing(lab(), 'c1', 'h2'), WAIT_MS);
    await assertNothingLost();
    assert.match(
      await logOf(lab(), 'h1'),
      /Resumed a device of the earlier process device=flannel\.1 routes=1/,
    );
  });

  it('goes on while etcd is away', async () => {
    await lab().stopEtcd();
    await lab().stopDaemon('h1', 'HUP');
    await waitFor('packets in both directions', () => canPing(lab(), 'c1', 'h2'), WAIT_MS);
    await lab().startEtcd();
    await waitUntilReady(lab(), 'h1');
  });

  it('yields to the kernel after a switch to its datapath', async () => {
    await lab().putConfig(CONFIG.replace('true', 'false'));
    await restartKept(lab(), 'h1');
    await waitUntilReady(lab(), 'h2');
    // What a program of before would still take from the underlay would go to a device that is gone.
    await waitFor('packets in both directions', () => canPing(lab(), 'c1', 'h2'), WAIT_MS);
  });
});
