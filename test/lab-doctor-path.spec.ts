// Faults of bridges, routes, peers and etcd: `weft doctor` names each cause, and after its command nothing is
// found and packets pass.
import assert from 'node:assert/strict';
import type { DoctorV1 } from '../cli/doctor/report.ts';
import { ETCD_URL } from '../lab/topology.ts';
import { waitFor } from '../lab/wait.ts';
import { runDoctor as runDoctorOf } from './support/doctor/fault.ts';
import {
  CHECKS,
  TIMEOUT_MS,
  describePathFaults,
  readPathFacts,
  type PathFacts,
} from './support/doctor/path-fault-suite.ts';
import { PATH_FAULTS } from './support/doctor/path-faults.ts';
import { useLab, waitUntilReady } from './support/lab-suite.ts';

/** Of a doctor that has them from no daemon. */
const ENDPOINTS = ['--etcd-endpoints', ETCD_URL];

describe('weft doctor on the path of packets', () => {
  const lab = useLab({ hosts: 3 });
  let facts: PathFacts = {};
  before(async () => (facts = await readPathFacts(lab())));

  const runDoctor = (host: string, args?: readonly string[]): Promise<DoctorV1> =>
    runDoctorOf(lab(), host, args);
  const shell = (host: string, script: string): Promise<string> => lab().check(host, ['sh', '-ec', script]);
  const idsOf = ({ findings }: DoctorV1): readonly string[] => findings.map(({ check }) => check);

  describePathFaults(lab, () => facts, PATH_FAULTS);

  it('finds that a peer does not forward, and there the device', async () => {
    const setting = '/proc/sys/net/ipv4/conf/flannel.1/forwarding';
    await shell('h2', `echo 0 >${setting}`);
    const here = await runDoctor('h1');
    assert.deepEqual(idsOf(here), ['peer-forwarding']);
    assert.match(
      here.findings[0]!.fix,
      new RegExp(`^weft doctor {2}# on ${facts['PEER']}: device-forwarding`),
    );
    const [there] = (await runDoctor('h2', ['--only', CHECKS])).findings;
    assert.equal(there?.check, 'device-forwarding');
    await shell('h2', there.fix);
    assert.deepEqual(idsOf(await runDoctor('h1')), []);
  });

  it('finds with --to that a container does not answer', async () => {
    const to = await lab().containerAddress('h2');
    assert.deepEqual(idsOf(await runDoctor('h1', ['--to', to])), []);
    await shell('h2', 'ip netns exec c2 ip link set eth0 down');
    const { findings } = await runDoctor('h1', ['--to', to]);
    assert.deepEqual(
      findings.map(({ check, host }) => [check, host]),
      [
        ['peer-container', undefined],
        // What the peer itself finds.
        ['container-route', 'h2'],
      ],
    );
    await shell(
      'h2',
      `ip netns exec c2 ip link set eth0 up; ip netns exec c2 ip route add default via ${to.replace(/2$/, '1')}`,
    );
  });

  it('lists what it did not test', async () => {
    const { notTested } = await runDoctor('h1');
    assert.match(
      notTested.join('\n'),
      new RegExp(`rules, routes and bridges of peers: weft doctor on .*${facts['PEER']}`),
    );
    await shell('h1', 'iptables -A FORWARD -m statistic --mode random --probability 0.5 -j DROP');
    const report = await runDoctor('h1', ['--only', CHECKS]);
    await shell('h1', 'iptables -F');
    assert.deepEqual(idsOf(report), []);
    assert.match(report.notTested.join('\n'), /iptables, table filter, chain FORWARD, rule 1: .*statistic/);
  });

  it('takes no own device for a rival without a daemon', async () => {
    await lab().stopDaemon('h1');
    const { findings } = await runDoctor('h1', ENDPOINTS);
    assert.deepEqual(
      findings.map(({ check }) => check),
      ['daemon-down'],
    );
    await lab().startDaemon('h1');
    await waitUntilReady(lab(), 'h1');
  });

  for (const [name, breaks, evidence] of [
    [
      'takes all VNIs of the port',
      'ip link add vx9 type vxlan external dstport 8472',
      /^ip -d link show vx9: vxlan external dstport 8472/,
    ],
    [
      'is in another namespace',
      'ip link add vx9 type vxlan id 1 dstport 8472 dev eth0; ip link set vx9 netns c1',
      /^nsenter --net=\S+ ip -d link show vx9: vxlan id 1 dstport 8472/,
    ],
  ] as const)
    it(`finds a VXLAN device that ${name}`, async () => {
      await lab().stopDaemon('h1');
      await shell('h1', `ip link del flannel.1; ${breaks}`);
      const { findings } = await runDoctor('h1', ENDPOINTS);
      const rival = findings.find(({ check }) => check === 'vxlan-conflict');
      assert.match(rival?.evidence[0] ?? JSON.stringify(findings), evidence);
      await shell('h1', rival!.fix);
      await lab().startDaemon('h1');
      await waitUntilReady(lab(), 'h1');
      await waitFor('nothing to be found', async () => idsOf(await runDoctor('h1')).length === 0, TIMEOUT_MS);
    });

  it('finds that etcd is out of space', async () => {
    await lab().stopEtcd('TERM');
    await lab().startEtcd(['--quota-backend-bytes', String(4 << 20)]);
    const fillUp =
      'head -c 1000000 /dev/zero | tr "\\0" x >/run/full; for i in 1 2 3 4 5 6; do etcdctl put /full </run/full; done; rm /run/full; true';
    await lab().exec('etcd', ['sh', '-c', fillUp]);
    await waitFor(
      'doctor to find it',
      async () => idsOf(await runDoctor('h1', ['--only', 'etcd-alarm'])).length > 0,
      TIMEOUT_MS,
    );
    const [found] = (await runDoctor('h1', ['--only', 'etcd-alarm'])).findings;
    assert.match(found?.evidence[0] ?? '', /ALARM NOSPACE/);
    await lab().check('etcd', ['sh', '-ec', found!.fix]);
    assert.deepEqual(idsOf(await runDoctor('h1', ['--only', 'etcd-alarm'])), []);
  });

  it('finds nothing after all faults are fixed', async () => {
    for (const name of ['h1', 'h2'])
      await waitFor(
        `${name} to be healthy`,
        async () => idsOf(await runDoctor(name)).length === 0,
        TIMEOUT_MS,
      );
  });
});
