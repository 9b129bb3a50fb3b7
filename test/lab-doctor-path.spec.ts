// Faults of the path that packets take between containers, one after another: `weft doctor` names each
// cause, and after its command nothing is found and packets pass.
import assert from 'node:assert/strict';
import type { DoctorV1 } from '../cli/doctor/report.ts';
import { ETCD_URL } from '../lab/topology.ts';
import { waitFor } from '../lab/wait.ts';
import { PATH_FAULTS } from './support/doctor/path-faults.ts';
import { useLab, viewOf, waitUntilReady } from './support/lab-suite.ts';

const TIMEOUT_MS = 60_000;
/** Checks of the path; all others run once at the end. */
const CHECKS =
  'bridge-down,bridge-address,bridge-subnet,bridge-twice,bridge-mtu,device-forwarding,route-diverted,rp-filter,' +
  'container-route,forward-drop,port-dropped,xfrm-block,static-neighbour,network-overlap,tunnel-blocked,' +
  'peer-silent,peer-forwarding,conntrack-full';

/** Of a doctor that has them from no daemon. */
const ENDPOINTS = ['--etcd-endpoints', ETCD_URL];

describe('weft doctor on the path of packets', () => {
  const lab = useLab({ hosts: 3 });
  let facts: Readonly<Record<string, string>> = {};

  before(async () => {
    for (const { name } of lab().topology.hosts) await waitUntilReady(lab(), name);
    const { subnet } = await viewOf(lab(), 'h1');
    facts = { SUBNET: subnet, PREFIX: subnet.replace(/\d+\/24$/, ''), PEER: lab().host('h2').publicIp };
  });

  async function runDoctor(host: string, args: readonly string[] = []): Promise<DoctorV1> {
    const { stdout, stderr } = await lab().weft(host, ['doctor', '--json', ...args]);
    assert.match(stdout, /^\{/, stderr);
    return JSON.parse(stdout) as DoctorV1;
  }

  async function isReached(): Promise<boolean> {
    const address = await lab().containerAddress('h2');
    return (await lab().query('c1', ['ping', '-q', '-c', '1', '-W', '0.5', address])).code === 0;
  }

  const idsOf = ({ findings }: DoctorV1): readonly string[] => findings.map(({ check }) => check);

  const fill = (text: string, escape = (value: string): string => value): string =>
    text.replaceAll(/SUBNET|PREFIX|PEER/g, (name) => escape(facts[name] ?? ''));
  const shell = (host: string, script: string): Promise<string> =>
    lab().check(host, ['sh', '-ec', fill(script)]);
  const escapeDots = (value: string): string => value.replaceAll('.', String.raw`\.`);

  for (const { name, finds, evidence, breaks, cleans, host = 'h1', isHarmless } of PATH_FAULTS)
    it(`names the cause, and its command fixes it: ${name}`, async () => {
      await shell(host, breaks);
      try {
        assert.equal(await isReached(), isHarmless === true);
        const { findings } = await runDoctor(host, ['--only', CHECKS]);
        const found = findings.find(({ check }) => check === finds);
        assert.ok(found, JSON.stringify(findings, null, 1));
        assert.match(found.evidence.join('\n'), new RegExp(fill(evidence.source, escapeDots)));
        const blamed = findings.filter(({ check }) => check !== finds && check !== 'tunnel-blocked');
        assert.deepEqual(blamed, []);
        await shell(host, found.fix);
        const after = await runDoctor(host, ['--only', CHECKS]);
        assert.deepEqual(after.findings, []);
        await waitFor('c1 to reach c2', isReached, TIMEOUT_MS);
      } finally {
        await shell(host, cleans);
      }
    });

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
    assert.deepEqual(idsOf(await runDoctor('h1', ['--to', to])), ['peer-container']);
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
