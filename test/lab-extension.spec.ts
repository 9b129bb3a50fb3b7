// The backend extension: commands of the operator make the routes between hosts. What ran is counted in a file of each host.
// The documentation's example of GRE tunnels runs in test/kernel/lab-gre.spec.ts.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { checkLab, subnetOf } from '../lab/run.ts';
import { waitFor } from '../lab/wait.ts';
import { startPing } from '../lab/traffic.ts';
import { askReadyz, leaseKeys, logOf, putLease, routesOf } from './support/daemon-view.ts';
import { assertHealthy } from './support/doctor/healthy.ts';
import { GRE_EXAMPLE } from './support/gre-example.ts';
import { canPing, useLab, waitUntilReady } from './support/lab-suite.ts';

const REPAIR_MS = 60_000;
/** One file a host: all share /run. */
const RAN = '/run/weft-lab/ran-$(stat -Lc %i /proc/self/ns/net)';
const EXTENSION = {
  Type: 'extension',
  Shell: true,
  PreStartupCommand: 'cat /proc/sys/kernel/random/uuid',
  PostStartupCommand: `echo up $SUBNET $PUBLIC_IP >> ${RAN}`,
  ShutdownCommand: `echo down >> ${RAN}`,
  SubnetAddCommand: `echo add $SUBNET $(cat) >> ${RAN}; [ $PUBLIC_IP != 198.18.9.9 ] && ip route replace $SUBNET via $PUBLIC_IP`,
  SubnetRemoveCommand: `echo remove $SUBNET >> ${RAN}; ip route del $SUBNET via $PUBLIC_IP proto boot`,
};
const configOf = (backend: object) => JSON.stringify({ Network: '10.5.0.0/16', Backend: backend });

describe('the example of GRE tunnels', () => {
  it('is shell', () => {
    const { status, stderr } = spawnSync('sh', ['-n'], { input: GRE_EXAMPLE.script, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
  });
});

describe('the backend extension', () => {
  const lab = useLab({ hosts: 3, config: configOf(EXTENSION) });
  const names = ['h1', 'h2', 'h3'];
  const ran = async (name: string): Promise<readonly string[]> =>
    (await lab().check(name, ['sh', '-c', `cat ${RAN}`])).trim().split('\n');
  const uuid = /^[0-9a-f-]{36}$/;

  before(async () => {
    for (const name of names) await waitUntilReady(lab(), name);
  });

  it('carries pings and TCP by routes that commands made', async () => {
    const { ping, tcpGbitPerSec } = await checkLab(lab(), () => undefined);
    assert.deepEqual(ping.broken, []);
    assert.ok((tcpGbitPerSec ?? 0) > 0, 'TCP carries nothing');
    assert.match(await lab().readSubnetEnv('h1'), /^FLANNEL_MTU=1500$/m);
    const routes = await routesOf(lab(), 'h1');
    assert.deepEqual([...new Set(routes.map(({ protocol }) => protocol))], ['boot']);
    assert.equal(routes.length, 2);
  });

  it('is healthy to weft doctor', () => assertHealthy(lab()));

  it('publishes what the first command printed, and passes it on', async () => {
    const [own] = await ran('h1');
    assert.equal(own, `up ${await subnetOf(lab(), 'h1')} ${lab().host('h1').publicIp}`);
    const key = (await subnetOf(lab(), 'h2')).replace('/', '-');
    const value = await lab().etcdctl(['get', '--print-value-only', `/coreos.com/network/subnets/${key}`]);
    const { BackendType, BackendData } = JSON.parse(value) as Record<string, string>;
    assert.equal(BackendType, 'extension');
    assert.match(BackendData!, uuid);
    assert.ok((await ran('h1')).includes(`add ${await subnetOf(lab(), 'h2')} ${BackendData}`));
  });

  it('runs nothing again when the daemon restarts, and loses no packet', async () => {
    const before = await ran('h1');
    const ping = await startPing(lab(), lab().host('h1').container, await lab().containerAddress('h2'), 1);
    await lab().stopDaemon('h1');
    await lab().startDaemon('h1');
    await waitUntilReady(lab(), 'h1');
    const { lost, sent } = await ping.stop();
    assert.equal(lost, 0, `lost ${lost} of ${sent}`);
    assert.deepEqual(await ran('h1'), before);
  });

  it('makes a failed command the error of its peer alone, which status and doctor show', async () => {
    await putLease(lab(), '10.5.250.0-24', { PublicIP: '198.18.9.9', BackendType: 'extension' });
    const reason = /SubnetAddCommand ended with code 1/;
    const peers = async () => (await lab().weft('h1', ['peers'])).stdout;
    await waitFor('the peer to be in error', async () => reason.test(await peers()), REPAIR_MS);
    assert.equal((await askReadyz(lab(), 'h1')).status, 200);
    assert.ok(await canPing(lab(), 'c1', 'h2'));
    const { stdout } = await lab().weft('h1', ['doctor']);
    assert.match(stdout, reason);
  });

  it('runs the removal of a peer that left, once', async () => {
    await lab().etcdctl(['del', '/coreos.com/network/subnets/10.5.250.0-24']);
    const removals = async () => (await ran('h1')).filter((line) => line.startsWith('remove'));
    await waitFor('the removal', async () => (await removals()).length > 0, REPAIR_MS);
    assert.deepEqual(new Set(await removals()), new Set(['remove 10.5.250.0/24']));
    assert.match(await logOf(lab(), 'h1'), /SubnetRemoveCommand ended with code 2/);
    assert.equal((await leaseKeys(lab())).length, 3);
  });

  const others = [
    { Type: 'vxlan', dev: 'flannel.1' },
    { Type: 'host-gw', dev: 'eth0' },
  ];
  for (const { Type, dev } of others)
    it(`migrates to ${Type} and back without a lost packet`, async () => {
      const ping = await startPing(lab(), lab().host('h1').container, await lab().containerAddress('h2'), 1);
      await lab().putConfig(configOf({ Type }));
      const isBy = async (protocol: string, device: string) => {
        const routes = await Promise.all(names.map((name) => routesOf(lab(), name)));
        return routes.every(
          (some) =>
            some.length === 2 && some.every((route) => route.protocol === protocol && route.dev === device),
        );
      };
      await waitFor(`routes of ${Type}`, () => isBy('87', dev), REPAIR_MS);
      await waitFor('the last command', async () => (await ran('h1')).at(-1) === 'down', REPAIR_MS);
      await lab().putConfig(configOf(EXTENSION));
      await waitFor('routes of commands', () => isBy('boot', 'eth0'), REPAIR_MS);
      const { lost, sent } = await ping.stop();
      assert.equal(lost, 0, `lost ${lost} of ${sent}`);
    });

  it('is undone by weft cleanup, with its commands', async () => {
    await lab().stopDaemon('h1');
    const { stdout, stderr, code } = await lab().weft('h1', [
      'cleanup',
      '--subnet-file',
      lab().subnetFile('h1'),
    ]);
    assert.equal(code, 0, stderr || stdout);
    assert.deepEqual(await routesOf(lab(), 'h1'), []);
    assert.equal((await ran('h1')).at(-1), 'down');
  });
});
