// Manual changes of the kernel are repaired, on this host and its peers, and traffic flows. The
// waits are far below the slow full read (60 s), so that only the kernel's own notices can have caused the repair.
import assert from 'node:assert/strict';
import { faultsOf, type FaultFacts } from '../lab/faults.ts';
import { waitFor } from '../lab/wait.ts';
import {
  ask,
  canPing,
  shellTest,
  programmedPeers,
  useLab,
  viewOf,
  waitUntilReady,
} from './support/lab-suite.ts';

const REPAIR_MS = 60_000;
/** Facts with which fault names are listed; the real ones are known only once the lab is up. */
const ANY_FACTS: FaultFacts = {
  device: 'flannel.1',
  ownSubnet: '10.5.1.0/24',
  ownMac: '02:00:00:00:00:01',
  mtu: 1450,
  peerSubnet: '10.5.2.0/24',
  peerMac: '02:00:00:00:00:02',
  peerPublicIp: '198.18.1.2',
};

describe('repair', () => {
  const lab = useLab({ hosts: 3 });
  let facts = ANY_FACTS;

  before(async () => {
    for (const { name } of lab().topology.hosts) await waitUntilReady(lab(), name);
    const [own, peer] = [await viewOf(lab(), 'h1'), await viewOf(lab(), 'h2')];
    facts = {
      device: 'flannel.1',
      ownSubnet: own.subnet,
      ownMac: own.mac,
      mtu: 1450,
      peerSubnet: peer.subnet,
      peerMac: peer.mac,
      peerPublicIp: peer.publicIp,
    };
  });

  for (const { name } of faultsOf(ANY_FACTS))
    it(`of: ${name}`, async () => {
      const fault = faultsOf(facts).find((candidate) => candidate.name === name)!;
      assert.ok(await shellTest(lab(), 'h1', fault.isHealthy), 'healthy before');
      await lab().check('h1', ['sh', '-c', fault.script]);
      await waitFor(`'${name}' to be repaired`, () => shellTest(lab(), 'h1', fault.isHealthy), REPAIR_MS);
      await waitFor('traffic to flow', () => canPing(lab(), 'c1', 'h2'), REPAIR_MS);
      assert.ok(await canPing(lab(), 'c3', 'h1'));
    });

  it('of a changed address of the underlay interface, here and on the peers', async () => {
    const before = await viewOf(lab(), 'h1');
    const change =
      'ip addr del 198.18.1.1/16 dev eth0; ip addr add 198.18.200.1/16 dev eth0 && ip route replace default via 198.18.0.1';
    await lab().check('h1', ['sh', '-c', change]);
    const isNew = `ip -d link show flannel.1 | grep -q 'local 198.18.200.1 '`;
    await waitFor('the tunnel source to follow', () => shellTest(lab(), 'h1', isNew), REPAIR_MS);
    const isPeerNew = `bridge fdb show dev flannel.1 | grep -q '^${before.mac} dst 198.18.200.1 '`;
    await waitFor('the peer to follow', () => shellTest(lab(), 'h2', isPeerNew), REPAIR_MS);
    await waitFor('traffic to flow', () => canPing(lab(), 'c2', 'h1'), REPAIR_MS);
    const after = await viewOf(lab(), 'h1');
    assert.deepEqual([after.subnet, after.mac], [before.subnet, before.mac]);
  });

  it('leaves what is not its own alone', async () => {
    const foreign =
      'ip route add 10.99.0.0/24 via 198.18.0.1 && ip route add 203.0.113.0/24 via 198.18.0.1 proto static';
    await lab().check('h1', ['sh', '-c', foreign]);
    await lab().stopDaemon('h1');
    await lab().startDaemon('h1');
    await waitUntilReady(lab(), 'h1');
    const routes = await ask<{ dst: string }>(lab(), 'h1', 'ip -j route show');
    const destinations = routes.map((route) => route.dst);
    assert.ok(destinations.includes('10.99.0.0/24') && destinations.includes('203.0.113.0/24'));
  });

  it('sweeps entries of hosts that no lease stands for at start', async () => {
    await lab().stopDaemon('h1');
    const orphan =
      'ip neigh add 10.5.99.0 lladdr 02:00:00:00:00:99 dev flannel.1 nud permanent && bridge fdb add 02:00:00:00:00:99 dev flannel.1 dst 198.18.9.9 self permanent && ip route add 10.5.99.0/24 via 10.5.99.0 dev flannel.1 onlink';
    await lab().check('h1', ['sh', '-c', orphan]);
    await lab().startDaemon('h1');
    await waitUntilReady(lab(), 'h1');
    const gone = `! ip route | grep -q 10.5.99.0 && ! ip neigh | grep -q 10.5.99.0 && ! bridge fdb | grep -q 02:00:00:00:00:99`;
    assert.ok(await shellTest(lab(), 'h1', gone));
    assert.equal((await programmedPeers(lab(), 'h1')).length, 2);
  });
});
