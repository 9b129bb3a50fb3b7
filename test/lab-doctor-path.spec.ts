// Faults of the path that packets take between containers, one after another: `weft doctor` names each
// cause, and after its command nothing is found and packets pass.
import assert from 'node:assert/strict';
import type { DoctorV1 } from '../cli/doctor/report.ts';
import { waitFor } from '../lab/wait.ts';
import { PATH_FAULTS } from './support/doctor/path-faults.ts';
import { useLab, viewOf, waitUntilReady } from './support/lab-suite.ts';

const TIMEOUT_MS = 60_000;
/** Checks of the path; all others run once at the end. */
const CHECKS =
  'bridge-down,bridge-address,bridge-subnet,bridge-twice,bridge-mtu,device-forwarding,route-diverted,rp-filter,' +
  'container-route,forward-drop,port-dropped,xfrm-block,static-neighbour,network-overlap,tunnel-blocked,' +
  'peer-silent,peer-forwarding,conntrack-full';

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

  it('finds nothing after all faults are fixed', async () => {
    for (const name of ['h1', 'h2']) assert.deepEqual((await runDoctor(name)).findings, []);
  });
});
