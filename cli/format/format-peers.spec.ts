import assert from 'node:assert/strict';
import type { LivenessV1 } from '../../api/index.ts';
import { BROKEN_PEERS, PEERS } from '../fixture/peers.ts';
import { formatLiveness, formatPeers } from './format-peers.ts';
import { PLAIN } from './style.ts';

describe('weft peers prints', () => {
  it('peers in sync', () => {
    assert.equal(
      formatPeers(PEERS, PLAIN),
      `SUBNET         PUBLIC IP   MAC                MODE    STATE       SINCE  LIVENESS
10.5.100.0/24  198.18.1.2  42:a9:6e:0f:bd:7a  kernel  programmed  1 h    unknown
`,
    );
  });

  it('names of hosts that publish them', () => {
    const [peer] = PEERS.peers;
    const peers = [
      { ...peer!, name: 'db-2' },
      { ...peer!, publicIp: '198.18.1.3' },
    ];
    const [heading, first, second] = formatPeers({ ...PEERS, peers }, PLAIN).split('\n');
    assert.match(heading!, /^SUBNET +PUBLIC IP +NAME  MAC /);
    assert.match(first!, / 198\.18\.1\.2  db-2  42:/);
    assert.match(second!, / 198\.18\.1\.3  -     42:/);
  });

  it('peers with problems, traffic and probes', () => {
    assert.equal(
      formatPeers(BROKEN_PEERS, PLAIN),
      `SUBNET                           PUBLIC IP   MAC                MODE       STATE       SINCE  LIVENESS  SENT   RECEIVED  PROBE
10.5.100.0/24                    198.18.1.2  42:a9:6e:0f:bd:7a  userspace  programmed  1 h    unknown   252 B  1.5 MB    0.3 ms, 1 of 10 lost, 0 s ago
10.5.104.0/24, fd00:5:0:68::/64  198.18.1.3  32:4b:5d:49:09:43  userspace  pending     0 s    unknown   -      -         -
  missing 10.5.104.0/24 dev flannel.1
  reserved: its key never expires
10.5.108.0/24                    -           -                  error      error       1 d    unknown   -      -         -
  ! its backend is "host-gw" and this host's is "vxlan"
`,
    );
  });

  it('whether a peer answers, and how old that evidence is', () => {
    const before = (seconds: number): string => new Date(Date.parse(PEERS.at) - seconds * 1000).toISOString();
    const cases: readonly (readonly [LivenessV1, string])[] = [
      [
        { state: 'reachable', since: before(900), answeredAt: before(12), rttMs: 0.34 },
        'reachable 0.3 ms, 12 s ago',
      ],
      [{ state: 'silent', since: before(180), answeredAt: before(190), rttMs: 1 }, 'silent for 3 min'],
      [{ state: 'overlay-broken', since: before(40) }, 'underlay alone for 40 s'],
    ];
    for (const [liveness, expected] of cases)
      assert.equal(formatLiveness(liveness, PEERS.at, PLAIN), expected);
  });

  it('a line without peers', () => {
    assert.equal(
      formatPeers({ ...PEERS, peers: [] }, PLAIN),
      `no peers: this host is alone in its network
`,
    );
  });
});
