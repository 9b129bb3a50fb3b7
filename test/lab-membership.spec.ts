// Hosts that join and leave: their entries are added and removed on all others, without waiting for a timer.
import assert from 'node:assert/strict';
import { waitFor } from '../lab/wait.ts';
import { programmedPeers, subnetKey, useLab, viewOf, waitUntilReady } from './support/lab-suite.ts';

const FOLLOW_MS = 60_000;

describe('membership', () => {
  const lab = useLab({ hosts: 3 });

  before(async () => {
    for (const { name } of lab().topology.hosts) await waitUntilReady(lab(), name);
  });

  async function waitForPeers(name: string, expected: readonly string[]): Promise<void> {
    const wanted = expected.toSorted().join();
    await waitFor(
      `peers of ${name} to be ${wanted}`,
      async () => (await programmedPeers(lab(), name)).join() === wanted,
      FOLLOW_MS,
    );
  }

  const foreign = '10.5.200.0-24';
  const value = (mac: string, ip = '198.18.9.9') =>
    `{"PublicIP":"${ip}","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"${mac}"}}`;

  it('adds a host that joins to all others', async () => {
    const others = async (name: string) => [(await viewOf(lab(), name)).subnet, '10.5.200.0/24'];
    await lab().etcdctl(['put', `/coreos.com/network/subnets/${foreign}`, value('02:00:00:00:00:aa')]);
    await waitForPeers('h1', [...(await others('h2')), ...(await others('h3')).slice(0, 1)]);
    await waitForPeers('h2', [...(await others('h1')), ...(await others('h3')).slice(0, 1)]);
  });

  it('follows a host that changes its MAC and its address, leaving nothing of the old', async () => {
    await lab().etcdctl([
      'put',
      `/coreos.com/network/subnets/${foreign}`,
      value('02:00:00:00:00:bb', '198.18.9.8'),
    ]);
    const fdb = async () => lab().check('h1', ['bridge', 'fdb', 'show', 'dev', 'flannel.1']);
    await waitFor(
      'the new entry',
      async () => (await fdb()).includes('02:00:00:00:00:bb dst 198.18.9.8'),
      FOLLOW_MS,
    );
    await waitFor('the old entry to go', async () => !(await fdb()).includes('02:00:00:00:00:aa'), FOLLOW_MS);
  });

  it('removes a host whose key is deleted', async () => {
    await lab().etcdctl(['del', `/coreos.com/network/subnets/${foreign}`]);
    const [h2, h3] = [await viewOf(lab(), 'h2'), await viewOf(lab(), 'h3')];
    await waitForPeers('h1', [h2.subnet, h3.subnet]);
    const fdb = await lab().check('h1', ['bridge', 'fdb', 'show', 'dev', 'flannel.1']);
    assert.ok(!fdb.includes('02:00:00:00:00:bb'));
  });

  it('removes a host whose lease is revoked', async () => {
    const granted = /lease ([0-9a-f]+) granted/.exec(await lab().etcdctl(['lease', 'grant', '600']))![1]!;
    await lab().etcdctl([
      'put',
      `--lease=${granted}`,
      `/coreos.com/network/subnets/${foreign}`,
      value('02:00:00:00:00:cc'),
    ]);
    const [h2, h3] = [await viewOf(lab(), 'h2'), await viewOf(lab(), 'h3')];
    await waitForPeers('h1', [h2.subnet, h3.subnet, '10.5.200.0/24']);
    await lab().etcdctl(['lease', 'revoke', granted]);
    await waitForPeers('h1', [h2.subnet, h3.subnet]);
  });

  it('forgets a host that left while the daemon was down', async () => {
    await lab().etcdctl(['put', `/coreos.com/network/subnets/${foreign}`, value('02:00:00:00:00:dd')]);
    const [h2, h3] = [await viewOf(lab(), 'h2'), await viewOf(lab(), 'h3')];
    await waitForPeers('h1', [h2.subnet, h3.subnet, '10.5.200.0/24']);
    await lab().stopDaemon('h1');
    await lab().etcdctl(['del', `/coreos.com/network/subnets/${foreign}`]);
    await lab().startDaemon('h1');
    await waitUntilReady(lab(), 'h1');
    assert.deepEqual(await programmedPeers(lab(), 'h1'), [h2.subnet, h3.subnet].toSorted());
  });

  it('takes its subnet again when its own key is deleted', async () => {
    const { subnet } = await viewOf(lab(), 'h2');
    await lab().etcdctl(['del', `/coreos.com/network/subnets/${subnetKey(subnet)}`]);
    const isBack = async () =>
      (await lab().etcdctl(['get', `/coreos.com/network/subnets/${subnetKey(subnet)}`])).includes(
        '198.18.1.2',
      );
    await waitFor('the key to be back', isBack, FOLLOW_MS);
    const [h1, h3] = [await viewOf(lab(), 'h1'), await viewOf(lab(), 'h3')];
    await waitForPeers('h2', [h1.subnet, h3.subnet]);
    await waitForPeers('h1', [subnet, h3.subnet]);
  });
});
