// Two hosts with one public IP, and networks and leases that lie over the hosts' own network. The hosts concerned are
// named, and no other host loses a packet or its etcd.
import assert from 'node:assert/strict';
import type { StatusV1 } from '../api/index.ts';
import type { Lab } from '../lab/lab.ts';
import { pingAll } from '../lab/probe.ts';
import { subnetOf } from '../lab/run.ts';
import { ETCD_URL } from '../lab/topology.ts';
import { startPings } from '../lab/traffic.ts';
import { waitFor } from '../lab/wait.ts';
import { askReadyz, logOf, putLease, routesOf, waitForLogLine } from './support/daemon-view.ts';
import { canPing, subnetKey, useLab, waitUntilReady } from './support/lab-suite.ts';

const FOLLOW_MS = 60_000;
const PREFIX = '/coreos.com/network';
const NONE = {
  PublicIP: '198.18.99.9',
  BackendType: 'vxlan',
  BackendData: { VNI: 1, VtepMAC: 'c6:00:00:00:99:99' },
};

async function statusOf(lab: Lab, name: string): Promise<StatusV1> {
  return JSON.parse((await lab.weft(name, ['status', '--json'])).stdout) as StatusV1;
}

/** Why a host does not route to the peer of a key; empty if it does, unset if it knows no such peer. */
async function reasonOf(lab: Lab, name: string, key: string): Promise<string | undefined> {
  const { stdout } = await lab.weft(name, ['peers', '--json']);
  const { peers } = JSON.parse(stdout) as { peers: { key: string; state: string; reason?: string }[] };
  const peer = peers.find((each) => each.key === key);
  return peer && (peer.state === 'error' ? (peer.reason ?? 'error') : '');
}

async function waitForReason(lab: Lab, name: string, key: string, pattern: RegExp): Promise<void> {
  const isGiven = async (): Promise<boolean> => pattern.test((await reasonOf(lab, name, key)) ?? 'none');
  await waitFor(`${name} to give ${String(pattern)} for ${key}`, isGiven, FOLLOW_MS);
}

/** Keys and ranges that clients have read from etcd. */
async function countReads(lab: Lab): Promise<number> {
  const script = `fetch('${ETCD_URL}/metrics').then(async (r) => console.log(await r.text()))`;
  const text = await lab.check('h1', [process.execPath, '-e', script]);
  const [, count] = /^grpc_server_handled_total\{grpc_code="OK",grpc_method="Range",.*\} (\S+)$/m.exec(text)!;
  return Number(count);
}

describe('two hosts with one public IP', () => {
  const lab = useLab({ hosts: 4, bare: ['h4'] });

  it('are none where a host booted again', async () => {
    for (const name of ['h1', 'h2', 'h3']) await waitUntilReady(lab(), name);
    const key = `${PREFIX}/weft/hosts/${lab().host('h1').publicIp}`;
    const read = () => lab().etcdctl(['get', '--print-value-only', key]);
    await waitFor('h1 to publish its status', async () => (await read()).includes('"boot"'), FOLLOW_MS);
    const { boot } = JSON.parse(await read()) as { boot: string };
    await lab().stopDaemon('h1');
    await lab().etcdctl(['put', key, (await read()).replace(boot, '0123456789abcdef')]);
    await lab().startDaemon('h1');
    await waitFor('h1 to publish its own boot', async () => (await read()).includes(boot), FOLLOW_MS);
    // One each may be of h2 and h3, which read their own once after their start.
    const before = await countReads(lab());
    const isReadTwice = async (): Promise<boolean> => (await countReads(lab())) >= before + 4;
    await waitFor('h1 to read its status twice more', isReadTwice, FOLLOW_MS);
    assert.doesNotMatch(await logOf(lab(), 'h1'), /publishes the same public IP/);
  });

  it('report that within a minute, and cost other hosts no packet', async () => {
    const publicIp = lab().host('h1').publicIp;
    const pings = await startPings(lab(), 'c2', await lab().containerAddress('h3'), 200);
    await lab().startDaemon('h4', ['--iface=eth0', `--public-ip=${publicIp}`]);
    for (const name of ['h1', 'h4']) {
      await waitForLogLine(
        lab(),
        name,
        /ERROR Another host publishes the same public IP: change one of them/,
      );
      const { health, lease, reasons } = await statusOf(lab(), name);
      assert.deepEqual([health, lease?.isPublicIpContested], ['degraded', true]);
      assert.match(
        reasons.join('\n'),
        new RegExp(`another host publishes the public IP ${publicIp} of this host`),
      );
      assert.match((await askReadyz(lab(), name)).body, /another host publishes the public IP/);
      const doctor = await lab().weft(name, ['doctor', '--json', '--only', 'public-ip-contested']);
      assert.match(doctor.stdout, /Another host publishes the public IP of this host/);
    }
    const { lost, sent } = await pings.stop();
    assert.equal(lost, 0, `lost ${lost} of ${sent}`);
    for (const name of ['h2', 'h3']) assert.equal((await statusOf(lab(), name)).health, 'ok');
  });
});

describe('a lease that takes packets of others', () => {
  const lab = useLab({ hosts: 3 });

  it('is an error where it lies inside the subnet of a peer, whose traffic goes on', async () => {
    for (const name of ['h1', 'h2', 'h3']) await waitUntilReady(lab(), name);
    const subnet = await subnetOf(lab(), 'h2');
    const part = `${(await lab().containerAddress('h2')).split('/')[0]}-32`;
    await putLease(lab(), part, NONE);
    await waitForReason(
      lab(),
      'h1',
      part,
      new RegExp(`lies inside ${subnet} of the peer ${subnetKey(subnet)}`),
    );
    assert.ok(await canPing(lab(), 'c1', 'h2'));
    await waitForReason(lab(), 'h2', part, /overlaps this host's subnet/);
    const { stdout } = await lab().weft('h1', ['doctor', '--json']);
    assert.match(stdout, /lies inside/);
    await lab().etcdctl(['del', `${PREFIX}/subnets/${part}`]);
    await waitForReason(lab(), 'h1', part, /^none$/);
  });

  it('is an error where it lies around the subnets of peers', async () => {
    await putLease(lab(), '10.5.0.0-17', NONE);
    await putLease(lab(), '10.5.128.0-17', { ...NONE, PublicIP: '198.18.99.8' });
    const [, h2] = [await subnetOf(lab(), 'h1'), await subnetOf(lab(), 'h2')];
    const around = Number(h2.split('.')[2]) < 128 ? '10.5.0.0-17' : '10.5.128.0-17';
    await waitForReason(lab(), 'h3', around, /contains 10\.5\.|overlaps this host's subnet/);
    assert.deepEqual((await pingAll(lab())).broken, []);
  });
});

describe('a network around that of the hosts', () => {
  const config = '{"Network":"198.16.0.0/14","Backend":{"Type":"vxlan"}}';
  const lab = useLab({ hosts: 3, config });
  const UNDERLAY = '198.18.0.0-24';

  it('is named at start, and gives no host a subnet with an address of the underlay', async () => {
    for (const name of ['h1', 'h2', 'h3']) {
      await waitUntilReady(lab(), name);
      await waitForLogLine(
        lab(),
        name,
        /WARN {2}Unsuitable network config: .*198\.18\.0\.2 \(an address of etcd\)/,
      );
      assert.doesNotMatch(await subnetOf(lab(), name), /^198\.18\.[0123]\./);
    }
    await waitFor('all pings', async () => (await pingAll(lab())).broken.length === 0, FOLLOW_MS);
  });

  it('is named when it is set or checked', async () => {
    for (const args of [
      ['config', 'diff', '-'],
      ['config', 'set', '-', '--yes', '--no-wait'],
    ]) {
      const input = config.replace('"vxlan"}', '"vxlan","MTU":1400}');
      const { stdout } = await lab().weft('h1', [...args, '--etcd-endpoints', ETCD_URL], { input });
      assert.match(
        stdout,
        /contains addresses of the underlay: 198\.18\.0\.2 \(an address of etcd\), 198\.18\.\d+\.\d+ \(the public/,
      );
    }
  });

  it('lets no lease take etcd and the gateway into the overlay, and its deletion is heard', async () => {
    await putLease(lab(), UNDERLAY, NONE);
    for (const name of ['h1', 'h2', 'h3']) {
      await waitForReason(
        lab(),
        name,
        UNDERLAY,
        /its subnet 198\.18\.0\.0\/24 contains 198\.18\.0\.\d, an? (address of etcd|gateway of eth0)/,
      );
      assert.deepEqual(await routesOf(lab(), name, '198.18.0.0/24'), []);
    }
    await lab().etcdctl(['del', `${PREFIX}/subnets/${UNDERLAY}`]);
    for (const name of ['h1', 'h2', 'h3']) await waitForReason(lab(), name, UNDERLAY, /^none$/);
  });

  it('lets no lease take the host of a peer into the overlay', async () => {
    const [, a, b] = /^198\.(\d+)\.(\d+)/.exec(lab().host('h2').publicIp)!;
    const key = `198.${a}.${b}.0-24`;
    await putLease(lab(), key, NONE);
    await waitForReason(
      lab(),
      'h1',
      key,
      /contains 198\.18\.\d+\.\d+, (the public address of the peer|this host's address)/,
    );
    assert.ok(await canPing(lab(), 'c1', 'h2'));
    await lab().etcdctl(['del', `${PREFIX}/subnets/${key}`]);
  });
});
