// A daemon that stops, is killed or is started again costs no packet, no subnet and no MAC.
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { startPings, startStream } from '../lab/traffic.ts';
import { logOf } from './support/daemon-view.ts';
import { programmedPeers, useLab, viewOf, waitUntilReady } from './support/lab-suite.ts';

/** Each costs seconds; RESTARTS overrides the number. */
const RESTARTS = Number(process.env['RESTARTS'] ?? 5);

describe('restarting a daemon', () => {
  const lab = useLab({ hosts: 2 });

  for (const signal of ['TERM', 'KILL'] as const) {
    it(`${RESTARTS} times by SIG${signal} under traffic loses nothing and changes nothing`, async () => {
      await waitUntilReady(lab(), 'h1');
      const before = await viewOf(lab(), 'h1');
      const ping = await startPings(lab(), 'c1', await lab().containerAddress('h2'));
      const stream = await startStream(lab(), 'c2', 'c1');
      for (let round = 0; round < RESTARTS; round++) {
        await lab().stopDaemon('h1', signal);
        await lab().startDaemon('h1');
        await waitUntilReady(lab(), 'h1');
      }
      const [pings, bytes] = [await ping.stop(), await stream.stop()];
      assert.equal(pings.lost, 0, `lost ${pings.lost} of ${pings.sent}`);
      // A tenth of a second without bytes may be a busy machine; a lost packet would show in the pings.
      assert.ok(
        bytes.intervals.slice(-20).some((interval) => interval > 0),
        'the TCP stream broke',
      );
      assert.deepEqual(await viewOf(lab(), 'h1'), before);
      // Nothing else changes the kernel here.
      assert.doesNotMatch(await logOf(lab(), 'h1'), /Detected changes of overlay objects/);
    });
  }

  it('by SIGKILL before subnet.env was written finds the same subnet again', async () => {
    const before = await viewOf(lab(), 'h1');
    await lab().stopDaemon('h1', 'KILL');
    await rm(`/proc/${lab().sandbox.pid}/root${lab().subnetFile('h1')}`);
    await lab().startDaemon('h1');
    await waitUntilReady(lab(), 'h1');
    assert.deepEqual(await viewOf(lab(), 'h1'), before);
  });

  it('after every trace of it in the kernel is gone keeps subnet and MAC', async () => {
    const before = await viewOf(lab(), 'h1');
    await lab().stopDaemon('h1');
    await lab().check('h1', ['ip', 'link', 'del', 'flannel.1']);
    await lab().startDaemon('h1');
    await waitUntilReady(lab(), 'h1');
    assert.deepEqual(await viewOf(lab(), 'h1'), before);
    assert.equal((await programmedPeers(lab(), 'h1')).length, 1);
  });

  it('exits with 0 when asked to stop', async () => {
    await lab().stopDaemon('h1');
    const script =
      'ready=$1; shift; rm $ready; "$@" 2>/dev/null & until [ -e "$ready" ]; do sleep 0.05; done; kill -TERM $!; wait $!; echo "exit $?"';
    const command = lab().daemonCommand('h1', []);
    const output = await lab().check('h1', ['sh', '-c', script, 'sh', lab().subnetFile('h1'), ...command]);
    assert.equal(output, 'exit 0\n');
    await lab().startDaemon('h1');
  });
});
