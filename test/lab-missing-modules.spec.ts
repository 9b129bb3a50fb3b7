// Backends whose module this machine's kernel may lack: without it the start is one line with the remedy, or packets go
// through userspace; with it the device is the kernel's.
import assert from 'node:assert/strict';
import { overlayDevicesOf, waitForLogLine } from './support/daemon-view.ts';
import { kernelHas } from './support/kernel-features.ts';
import { shellTest, useLab, waitUntilReady } from './support/lab-suite.ts';

const configOf = (type: string) => JSON.stringify({ Network: '10.5.0.0/16', Backend: { Type: type } });

describe('backends that need a module', () => {
  const lab = useLab({
    hosts: 2,
    bare: ['h1', 'h2'],
    config: configOf('udp'),
    daemonFlags: ['--no-source-check'],
  });

  it('udp takes userspace where the kernel may have FOU and has not, and says so', async () => {
    await lab().startDaemon('h1');
    await waitUntilReady(lab(), 'h1');
    const { stdout } = await lab().weft('h1', ['status']);
    if (kernelHas('fou')) {
      assert.match(stdout, /network .* udp, flannel0/);
      return;
    }
    await waitForLogLine(lab(), 'h1', /INFO {2}This kernel has no IP-in-UDP: encapsulating in userspace/);
    assert.match(stdout, /network .* udp in userspace, flannel0/);
  });

  /** A second host that must take the kernel's device. */
  async function assertStart(isPossible: boolean, flags: readonly string[], refusal: RegExp): Promise<void> {
    if (isPossible) {
      await lab().startDaemon('h2', flags);
      await waitUntilReady(lab(), 'h2');
      await lab().stopDaemon('h2');
      assert.ok(await shellTest(lab(), 'h2', 'ip -o link show type ipip | grep -q flannel'));
      return;
    }
    const { code, stderr } = await lab().exec('h2', lab().daemonCommand('h2', flags));
    assert.equal(code, 1, stderr);
    assert.match(stderr, refusal);
    assert.deepEqual(await overlayDevicesOf(lab(), 'h2'), []);
  }

  it('udp is one line with the remedy where the kernel must have FOU and has not', () =>
    assertStart(
      kernelHas('fou'),
      ['--userspace=false'],
      /ERROR Cannot make flannel0: EOPNOTSUPP: .*load its modules.*--userspace=true/,
    ));

  it('ipip is one line with the remedy where the kernel has no such devices', async () => {
    await lab().stopDaemon('h1');
    await lab().putConfig(configOf('ipip'));
    await assertStart(kernelHas('ipip'), [], /ERROR Cannot make flannel\.ipip: EOPNOTSUPP: .*modprobe ipip/);
  });
});
