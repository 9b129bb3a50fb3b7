import assert from 'node:assert/strict';
import { BROKEN_STATUS, STARTING_STATUS, STATUS } from '../fixture/status.ts';
import { formatStatus } from './format-status.ts';
import { COLOURED, PLAIN } from './style.ts';

describe('weft status prints', () => {
  it('a healthy host', () => {
    assert.equal(
      formatStatus(STATUS, PLAIN),
      `weft 0.2.0  ok  up 2 d 3 h, pid 4711

  subnet    10.5.176.0/24  held, ends in 23 h 12 min unless renewed
  network   10.5.0.0/16  vxlan, flannel.1, MTU 1450
  underlay  eth0 198.18.1.1, MTU 1500  (the default route)
  registry  connected, http://198.18.0.2:2379, revision 1234, contact 2 s ago
  kernel    in sync, last run 5 min ago, 3 changes by others repaired
  peers     3 programmed
`,
    );
  });

  it('a dual-stack host with every kind of problem', () => {
    assert.equal(
      formatStatus(BROKEN_STATUS, PLAIN),
      `weft 0.2.0  not ready  up 2 d 3 h, pid 4711

  subnet    10.5.176.0/24, fd00:5:0:b0::/64  lost, reserved, without expiry
  network   10.5.0.0/16, fd00:5::/48  vxlan in userspace, flannel.1 and flannel-v6.1, MTU 1450
  underlay  eth0 198.18.1.1, fd18::1, peers send to 203.0.113.7, MTU 1500  (the default route)
  registry  unreachable, http://198.18.0.2:2379, revision 1234, contact 2 s ago, 1 key is no lease: http://198.18.0.2:2379 refused the connection
  kernel    error, last run 5 min ago, 1 change by others repaired
  peers     2 pending, 1 in error

  ! the lease is lost: no endpoint answered
  ! 2 of 3 peers are not in the kernel yet
  ! the registry is not reachable; the peers known last are in force
`,
    );
  });

  it('what is programmed and what answers', () => {
    const liveness = { reachable: 1, silent: 1, 'overlay-broken': 1, unknown: 0 };
    const peers = { ...STATUS.peers, liveness };
    assert.match(
      formatStatus({ ...STATUS, peers }, PLAIN),
      /peers {5}3 programmed; 1 reachable, 1 silent, 1 on the underlay alone\n/,
    );
  });

  it('which part of the packets the kernel moved, or why none', () => {
    const counts = {
      rxPackets: 600,
      kernelRxPackets: 500,
      kernelDecapPackets: 400,
      txPackets: 300,
      kernelTxPackets: 200,
    };
    const rowOf = (more: object): string | undefined => {
      const network = { ...STATUS.network!, paths: [{ device: 'flannel0', ...counts, ...more }] };
      return formatStatus({ ...STATUS, network }, PLAIN)
        .split('\n')
        .find((line) => line.includes('fast path'));
    };
    assert.equal(
      rowOf({ decapDevice: 'weft-rx7a' }),
      '  fast path  of flannel0 on: 500 of 600 packets received (400 decapsulated by weft-rx7a), 200 of 300 sent',
    );
    assert.equal(
      rowOf({ decapDevice: 'weft-rx7a', joinDevice: 'weft-rj7a' }),
      '  fast path  of flannel0 on: 500 of 600 packets received (400 joined by weft-rj7a or weft-rx7a), 200 of 300 sent',
    );
    assert.equal(rowOf({}), '  fast path  of flannel0 on: 500 of 600 packets received, 200 of 300 sent');
    assert.equal(
      rowOf({ bpfDisabledReason: 'it is turned off' }),
      '  fast path  of flannel0 off: it is turned off',
    );
  });

  it('the owner of checksums unless it is the device', () => {
    const rowOf = (more: object): string | undefined => {
      const checksumOffload = [{ device: 'flannel.1', family: 4, setting: 'auto', ...more } as const];
      const network = { ...STATUS.network!, checksumOffload };
      return formatStatus({ ...STATUS, network }, PLAIN)
        .split('\n')
        .find((line) => line.includes('checksums'));
    };
    const since = new Date(Date.parse(STATUS.at) - 180_000).toISOString();
    assert.equal(rowOf({ found: 'good', since }), undefined);
    assert.equal(
      rowOf({ found: 'bad', since, isOn: false }),
      '  checksums  of flannel.1 by this host: devices compute them wrong, for 3 min',
    );
    assert.equal(
      rowOf({ setting: 'off', isOn: false }),
      '  checksums  of flannel.1 by this host, by the network config',
    );
    assert.equal(
      rowOf({ found: 'off', since }),
      '  checksums  of flannel.1 by this host: the offload was off before',
    );
    assert.equal(rowOf({ found: 'suspect', since }), '  checksums  of flannel.1 seem wrong; checking again');
  });

  it('a migration that waits for peers, and one that a peer blocks', () => {
    const migration = {
      state: 'leaving',
      announced: 'vxlan VNI 2 port 8472',
      wanted: 'vxlan VNI 2 port 8472',
      pendingPeers: ['10.5.1.0-24', '10.5.2.0-24', '10.5.3.0-24', '10.5.4.0-24', '10.5.5.0-24'],
    } as const;
    const rowOf = (more: object): string | undefined => {
      const network = { ...STATUS.network!, migration: { ...migration, ...more } };
      return formatStatus({ ...STATUS, network }, PLAIN).split('\n')[4];
    };
    assert.equal(
      rowOf({}),
      '  change    to vxlan VNI 2 port 8472: leaving, waiting for 10.5.1.0-24, 10.5.2.0-24, 10.5.3.0-24 and 2 more',
    );
    const blocked = {
      state: 'preparing',
      wanted: 'host-gw',
      pendingPeers: [],
      blocker: '10.5.1.0-24: no link',
    };
    assert.equal(
      rowOf(blocked),
      '  change    from vxlan VNI 2 port 8472 to host-gw: preparing; blocked: 10.5.1.0-24: no link',
    );
  });

  it('a daemon that waits for the registry', () => {
    assert.equal(
      formatStatus(STARTING_STATUS, PLAIN),
      `weft 0.2.0  not ready  up 12 s, pid 4711

  registry  unreachable, http://198.18.0.2:2379, revision 0: no endpoint answers

  ! waiting for the registry
`,
    );
  });

  it('peers that only an earlier daemon heard of', () => {
    const registry = { ...STARTING_STATUS.registry, lastKnownAt: STARTING_STATUS.daemon.startedAt };
    assert.match(
      formatStatus({ ...STARTING_STATUS, registry }, PLAIN),
      /revision 0, peers known 12 s ago by an earlier daemon: no endpoint answers\n/,
    );
  });

  it('colours that change no text', () => {
    const coloured = formatStatus(BROKEN_STATUS, COLOURED);
    assert.ok(coloured.includes('\u001b[31mnot ready\u001b[0m'));
    // oxlint-disable-next-line no-control-regex
    assert.equal(coloured.replaceAll(/\u001b\[\d+m/g, ''), formatStatus(BROKEN_STATUS, PLAIN));
  });
});
