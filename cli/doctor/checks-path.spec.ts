// Advice of checks whether packets arrive.
import assert from 'node:assert/strict';
import type { ControlClient } from '../client/control-client.ts';
import type { Found } from './check.ts';
import { PATH_CHECKS } from './checks-path.ts';
import type { Suspect } from './containers/suspects.ts';
import { Facts } from './facts.ts';

const STATUS = {
  registry: { kind: 'etcd' },
  network: { ipv4: '10.5.0.0/16', mtu: 1450, devices: ['flannel.1'], backend: 'vxlan' },
  interface: { name: 'eth0', address: '198.18.1.1' },
};

async function blocked(suspects: readonly Suspect[]): Promise<Found | undefined> {
  const facts = new Facts({
    client: { request: () => Promise.resolve(STATUS) } as unknown as ControlClient,
    etcd: { endpoints: [], prefix: '' },
  });
  const [underlay, overlay] = ['198.18.1.2', '10.5.2.0'];
  const probe = { peer: { key: '10.5.2.0-24' }, underlay, overlay, underlayOk: true, overlayOk: false };
  await facts.once('probes', () => Promise.resolve([probe]));
  await facts.once('known causes', () =>
    Promise.resolve({ explained: new Set(), hasPortRule: false, suspects }),
  );
  const [found] = await PATH_CHECKS.find(({ id }) => id === 'tunnel-blocked')!.run(facts);
  facts.close();
  return found;
}

describe('weft doctor on a blocked tunnel', () => {
  const firewalls = /allow the UDP port of backend vxlan .*firewalls and security groups between them/;

  it('names the firewalls between the hosts', async () =>
    assert.match((await blocked([]))?.fix ?? '', firewalls));

  it('names them beside what may drop here', async () => {
    const fix = 'tc filter del dev eth0 ingress pref 1';
    const found = await blocked([{ evidence: 'tc filter show dev eth0 ingress: pref 1 bpf', fix }]);
    assert.ok(found !== undefined);
    assert.ok(found.fix.startsWith(`${fix}  # `), found.fix);
    assert.match(found.fix, firewalls);
  });
});
