import assert from 'node:assert/strict';
import { besideReport, referenceOptions } from './beside.ts';

describe('a backend beside the kernel’s VXLAN', () => {
  it('is shown by ratios of single rounds, not of medians', () => {
    const report = besideReport([
      { gbitPerSec: 4, referenceGbitPerSec: 8 },
      { gbitPerSec: 6, referenceGbitPerSec: 6 },
      { gbitPerSec: 1, referenceGbitPerSec: 4 },
    ]);
    assert.deepEqual(report, {
      reference: 'vxlan',
      tcpGbitPerSec: 4,
      referenceGbitPerSec: 6,
      ratio: { median: 0.5, least: 0.25, most: 1 },
      rounds: 3,
    });
  });

  it('has a reference with the same networks and underlay, and no userspace', () => {
    const options = referenceOptions({
      name: 'lab',
      hosts: 5,
      userspace: ['all'],
      bare: ['h5'],
      offloads: false,
      gro: true,
      mtu: 9000,
      daemonFlags: ['--userspace=true'],
      config: '{"Network":"10.9.0.0/16","Backend":{"Type":"udp","Port":8286}}',
    });
    assert.deepEqual(options, {
      name: 'lab-beside',
      hosts: 2,
      userspace: [],
      bare: [],
      outside: false,
      offloads: false,
      gro: true,
      mtu: 9000,
      daemonFlags: ['--userspace=true', '--userspace=false'],
      config: '{"Network":"10.9.0.0/16","Backend":{"Type":"vxlan"}}',
    });
  });
});
