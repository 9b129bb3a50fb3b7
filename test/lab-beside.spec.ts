// A lab whose underlay is a wire, and `weft lab run --beside`: a backend beside the kernel's VXLAN on the same underlay.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Lab } from '../lab/lab.ts';
import { packageRoot } from '../lab/package-root.ts';
import type { LabReport } from '../lab/run.ts';

const run = promisify(execFile);

describe('an underlay without offloads but with GRO', () => {
  it('joins packets at hosts and segments none anywhere', async () => {
    const lab = await Lab.create({ name: 'wire', hosts: 1, offloads: false, gro: true, start: false });
    try {
      const found = async (netns: string, device: string) => {
        const features = await lab.check(netns, ['ethtool', '-k', device]);
        const states = features.matchAll(/^(tcp-segmentation|generic-receive)-offload: (on|off)/gm);
        return Object.fromEntries([...states].map(([, name, state]) => [name, state]));
      };
      assert.deepEqual(await found('h1', 'eth0'), { 'tcp-segmentation': 'off', 'generic-receive': 'on' });
      assert.deepEqual(await found('sw', 'h1'), { 'tcp-segmentation': 'off', 'generic-receive': 'off' });
    } finally {
      await lab.down();
    }
  });
});

describe('weft lab run --beside vxlan', () => {
  it('prints the ratio of rounds by turns, and leaves no second lab', async () => {
    const weft = join(packageRoot(), 'bin/weft');
    const options = ['--hosts', '2', '--backend', 'host-gw', '--beside', 'vxlan', '--json'];
    const { stdout } = await run(weft, ['lab', 'run', '--name', 'turns', ...options]);
    const { ok, beside } = JSON.parse(stdout) as LabReport;
    assert.ok(ok && beside);
    assert.equal(beside.rounds, 3);
    assert.ok(beside.referenceGbitPerSec > 0 && beside.ratio.least > 0);
    assert.ok(beside.ratio.least <= beside.ratio.median && beside.ratio.median <= beside.ratio.most);
    assert.equal(await Lab.find('turns-beside'), undefined);
  });
});
