// Rules as Docker sets them, on a host of a lab: those of older engines pass all traffic, those of Docker 28 and later block
// other hosts until the steps in docs/how-to/connect-containers.md are done, and weft doctor names them.
import assert from 'node:assert/strict';
import type { DoctorV1 } from '../cli/doctor/report.ts';
import { waitFor } from '../lab/wait.ts';
import { canPing, programmedPeers, useLab, waitUntilReady } from './support/lab-suite.ts';

const PATIENCE_MS = 60_000;
/** Chains and policy; DOCKER is empty as long as no port is published. */
const OLDER = `*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:DOCKER-FORWARD - [0:0]
-I FORWARD -j DOCKER-FORWARD
-I FORWARD -j DOCKER-USER
-A DOCKER-FORWARD -o br0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -o br0 -j DOCKER
-A DOCKER-FORWARD -i br0 -j ACCEPT
COMMIT
`;
const TO_BRIDGE = '-t filter -A DOCKER ! -i br0 -o br0 -j DROP';
const ADMIT = '-I DOCKER-USER -s 10.5.0.0/16 -o br0 -j ACCEPT';

describe('rules of Docker', () => {
  const lab = useLab({ hosts: 2, config: '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}' });
  let container = '';

  const iptables = (rule: string): Promise<string> => lab().check('h2', ['iptables', ...rule.split(' ')]);
  const calls = (): Promise<boolean> => canPing(lab(), 'c2', 'h1');
  const isCalled = (): Promise<boolean> => canPing(lab(), 'c1', 'h2');
  const isHealthy = async (): Promise<boolean> => (await calls()) && (await isCalled());

  async function evidence(): Promise<readonly string[]> {
    const { stdout } = await lab().weft('h2', ['doctor', '--json', '--only', 'docker-direct']);
    return (JSON.parse(stdout) as DoctorV1).findings.flatMap((finding) => finding.evidence);
  }

  before(async () => {
    for (const host of ['h1', 'h2']) {
      await waitUntilReady(lab(), host);
      const isJoined = async (): Promise<boolean> => (await programmedPeers(lab(), host)).length === 1;
      await waitFor(`${host} to know the other`, isJoined, PATIENCE_MS, 50);
    }
    container = await lab().containerAddress('h2');
    await lab().check('h2', ['sh', '-c', `iptables-restore --noflush <<'RULES'\n${OLDER}RULES`]);
  });

  it('of older engines pass traffic of other hosts', async () => {
    await waitFor('containers to reach each other', isHealthy, PATIENCE_MS, 50);
    assert.deepEqual(await evidence(), []);
  });

  it('about a bridge block connections of other hosts, until DOCKER-USER accepts the cluster network', async () => {
    await iptables(TO_BRIDGE);
    assert.deepEqual([await calls(), await isCalled()], [true, false]);
    assert.deepEqual(await evidence(), ['iptables, table filter: -A DOCKER ! -i br0 -o br0 -j DROP']);
    await iptables(ADMIT);
    assert.ok(await isHealthy());
    assert.deepEqual(await evidence(), []);
  });

  it('about a container block even answers, until direct routing or the device is allowed', async () => {
    const drop = `PREROUTING -d ${container} ! -i br0 -j DROP`;
    await iptables(`-t raw -A ${drop}`);
    assert.deepEqual([await calls(), await isCalled()], [false, false]);
    assert.deepEqual(await evidence(), [
      `iptables, table raw: -A PREROUTING -d ${container}/32 ! -i br0 -j DROP`,
    ]);
    await iptables(`-t raw -I PREROUTING -d ${container} -i flannel.1 -j ACCEPT`);
    assert.ok(await isHealthy());
    assert.deepEqual(await evidence(), []);
    await iptables('-t raw -F PREROUTING');
    assert.ok(await isHealthy());
  });
});
