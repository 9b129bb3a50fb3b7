// Checks of the state that all hosts share, on a host without a cluster.
import assert from 'node:assert/strict';
import { cidr } from '../../backends/fixture.ts';
import type { ControlClient } from '../client/control-client.ts';
import type { Found } from './check.ts';
import { CLUSTER_CHECKS } from './checks-cluster.ts';
import { Facts } from './facts.ts';

interface Cluster {
  readonly backend?: string;
  readonly leases?: readonly unknown[];
  /** Rows of `ip -j route show`. */
  readonly routes?: readonly unknown[];
}

async function find(
  id: string,
  { backend = 'vxlan', leases = [], routes = [] }: Cluster,
): Promise<readonly Found[]> {
  const status = {
    registry: { kind: 'etcd' },
    network: { ipv4: '10.5.0.0/16', mtu: 1450, devices: ['flannel.1'], backend },
    interface: { name: 'eth0', address: '198.18.1.1' },
    lease: { state: 'held', ipv4: '10.5.1.0/24' },
  };
  const facts = new Facts({
    client: { request: () => Promise.resolve(status) } as unknown as ControlClient,
    etcd: { endpoints: [], prefix: '' },
    output: (argv) =>
      Promise.resolve(argv.join(' ') === 'ip -j -d route show' ? JSON.stringify(routes) : '[]'),
  });
  await facts.once('leases', () => Promise.resolve(leases));
  await facts.once('peer ends', () =>
    Promise.resolve([{ key: '10.5.3.0-24', family: 4, subnet: cidr('10.5.3.0/24'), address: '10.5.3.2' }]),
  );
  const found = await CLUSTER_CHECKS.find((check) => check.id === id)!.run(facts);
  facts.close();
  return found;
}

describe('weft doctor on the state of the cluster', () => {
  it('has no device deleted where two hosts publish one MAC address', async () => {
    const lease = (key: string) => ({
      key,
      subnets: {},
      attributes: { backendType: 'vxlan', backendData: { VNI: 1, VtepMAC: '02:00:00:00:00:77' } },
    });
    const [found] = await find('vtep-mac-twice', { leases: [lease('10.5.3.0-24'), lease('10.5.4.0-24')] });
    assert.match(found?.fix ?? '', /weft leases release SUBNET .*systemd-machine-id-setup/);
    assert.doesNotMatch(found?.fix ?? '', /link del/);
  });

  const part = (protocol: string) => ({ dst: '10.5.3.16/28', dev: 'tun0', protocol });
  for (const [name, cluster, count] of [
    ['a connected route within the subnet of a peer', { routes: [part('kernel')] }, 1],
    ['none of route-diverted', { routes: [part('static')] }, 0],
    ['one that route-diverted does not examine', { routes: [part('static')], backend: 'extension' }, 1],
    ['one that alloc leaves to others', { routes: [part('static')], backend: 'alloc' }, 1],
  ] as const)
    it(`finds an overlap: ${name}`, async () =>
      assert.equal((await find('network-overlap', cluster)).length, count));
});
