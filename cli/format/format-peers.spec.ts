import assert from 'node:assert/strict';
import { BROKEN_PEERS, PEERS } from '../fixture/peers.ts';
import { formatPeers } from './format-peers.ts';
import { PLAIN } from './style.ts';

describe('weft peers prints', () => {
  it('peers in sync', () => {
    assert.equal(
      formatPeers(PEERS, PLAIN),
      `SUBNET         PUBLIC IP   MAC                MODE    STATE    SINCE
10.5.100.0/24  198.18.1.2  42:a9:6e:0f:bd:7a  kernel  in sync  1 h
`,
    );
  });

  it('peers with problems, traffic and probes', () => {
    assert.equal(
      formatPeers(BROKEN_PEERS, PLAIN),
      `SUBNET                           PUBLIC IP   MAC                MODE       STATE    SINCE  SENT   RECEIVED  PROBE
10.5.100.0/24                    198.18.1.2  42:a9:6e:0f:bd:7a  userspace  in sync  1 h    252 B  1.5 MB    0.3 ms, 1 of 10 lost
10.5.104.0/24, fd00:5:0:68::/64  198.18.1.3  32:4b:5d:49:09:43  userspace  pending  0 s    -      -         -
  missing 10.5.104.0/24 dev flannel.1
  reserved: its key never expires
10.5.108.0/24                    -           -                  error      error    1 d    -      -         -
  ! its backend is "host-gw" and this host's is "vxlan"
`,
    );
  });

  it('a line without peers', () => {
    assert.equal(
      formatPeers({ ...PEERS, peers: [] }, PLAIN),
      `no peers: this host is alone in its network
`,
    );
  });
});
