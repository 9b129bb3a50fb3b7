import assert from 'node:assert/strict';
import { formatDiff } from './format-diff.ts';
import { DIFF } from '../fixture/peers.ts';
import { PLAIN } from './style.ts';

describe('weft diff prints', () => {
  it('each kind of difference', () => {
    assert.equal(
      formatDiff(DIFF, PLAIN),
      `link flannel.1 of this host: foreign: a device of type dummy has its name
- flannel.1 mtu 1450 address 02:00:00:00:00:01 vxlan id 1 local 198.18.1.1 dev eth0 dstport 8472 nolearning
  link flannel.1: busy
route 10.5.100.0/24 for peer 10.5.100.0-24: missing
- 10.5.100.0/24 via 10.5.100.0 dev flannel.1 onlink
route 10.5.104.0/24 for peer 10.5.104.0-24: different: gateway 198.18.0.1 instead of 10.5.104.0
- 10.5.104.0/24 via 10.5.104.0 dev flannel.1 onlink
+ 10.5.104.0/24 via 198.18.0.1 dev eth0
route 10.5.250.0/24: extra
+ 10.5.250.0/24 via 198.18.1.9 dev eth0
`,
    );
  });

  it('a line without differences', () => {
    assert.equal(
      formatDiff({ ...DIFF, differences: [] }, PLAIN),
      `no difference: all 9 entries are in the kernel as desired
`,
    );
  });
});
