import assert from 'node:assert/strict';
import { familyOf, parseIp, type Cidr, type Ipv6 } from '../../lib/address.ts';
import { VXLAN, host, network } from '../../backends/fixture.ts';
import type { UnderlayMtu } from '../../backends/kernel-state.ts';
import { chooseFamilies, configForHost } from './family-choice.ts';
import type { InterfaceFacts } from './interface-facts.ts';
import type { Interface, InterfaceAddress } from '../kernel/kernel.ts';

const DUAL = { ipv4: true, ipv6: true };

function nic(name: string, ...addresses: readonly string[]): Interface {
  const details = { scope: 'global', isPermanent: true, isTemporary: false, isDeprecated: false } as const;
  const toAddress = (text: string): InterfaceAddress => {
    const address = parseIp(text);
    assert.ok(address, text);
    return { address, prefixLength: familyOf(address) === 4 ? 24 : 64, ...details };
  };
  const rest = { index: 1, mtu: 1500, isUp: true, isLoopback: false, type: '' };
  return { name, addresses: addresses.map(toAddress), ...rest };
}

/** The default route leads to the first interface. */
function facts(...interfaces: readonly Interface[]): InterfaceFacts {
  const route = { destination: '0.0.0.0/0' as Cidr, metric: 0, protocol: 3, isMultipath: false };
  const routes = interfaces.slice(0, 1).map(({ name }) => ({ ...route, dev: name }));
  return { interfaces, routes, lookupRoute: () => Promise.resolve(undefined) };
}

describe('the choice of address families', () => {
  const asked = { names: ['eth0'], patterns: [] };
  const choose = async (found: InterfaceFacts, before?: InterfaceFacts, options = asked) => {
    const first = before && (await chooseFamilies(before, options, DUAL));
    const current = first?.ok === true ? first.chosen : undefined;
    const choice = await chooseFamilies(found, options, DUAL, current);
    if (!choice.ok) return choice.message;
    const { name, ipv4, ipv6 } = choice.chosen;
    const missingIpv6 =
      choice.missingIpv6 && `${choice.missingIpv6.reason}${choice.missingIpv6.isPending ? ' (coming)' : ''}`;
    return [name, ipv4, ipv6, missingIpv6].filter(Boolean).join(' | ');
  };
  const both = facts(nic('eth0', '10.0.0.5', 'fd00::5'));
  const four = facts(nic('eth0', '10.0.0.5'));
  const NO_IPV6 = '--iface=eth0: eth0 has no usable IPv6 address';

  it('chooses both where an interface has both', async () => {
    assert.equal(await choose(both), 'eth0 | 10.0.0.5 | fd00::5');
  });

  it('chooses IPv4 alone without IPv6, with the reason and whether IPv6 is pending', async () => {
    assert.match(await choose(four), new RegExp(`^eth0 \\| 10.0.0.5 \\| No interface.*${NO_IPV6}`));
    assert.match(await choose(facts(nic('eth0', '10.0.0.5', 'fe80::5'))), /\(coming\)$/);
  });

  it('fails without IPv4', async () => {
    assert.match(await choose(facts(nic('eth0', 'fd00::5'))), /^No interface.*no usable IPv4 address/);
  });

  it('chooses both once IPv6 has an address', async () => {
    assert.equal(await choose(both, four), 'eth0 | 10.0.0.5 | fd00::5');
  });

  it('keeps both while the interface has lost its IPv6 address, and updates IPv4', async () => {
    const found = facts(nic('eth0', '10.0.0.77'));
    assert.match(await choose(found, both), /^eth0 \| 10\.0\.0\.77 \| fd00::5 \| .*no usable IPv6 address/);
  });

  it('never changes the interface to get IPv6', async () => {
    const options = { names: ['eth0', 'eth1'], patterns: [] };
    const found = facts(nic('eth0', '10.0.0.5'), nic('eth1', '10.1.0.5', 'fd01::5'));
    assert.match(await choose(found, four, options), /^eth0 \| 10\.0\.0\.5 \| /);
    assert.equal(await choose(found, undefined, options), 'eth1 | 10.1.0.5 | fd01::5');
  });
});

describe('the config for a host', () => {
  const clusterConfig = network('46', VXLAN);
  const familiesAt = (mtu: number, ipv6?: string, config = clusterConfig) => {
    const ofHost = { name: 'eth0', mtu: mtu as UnderlayMtu, ...(ipv6 && { ipv6: ipv6 as Ipv6 }) };
    const result = configForHost(config, host({ interface: ofHost }), { reason: 'why', isPending: false });
    assert.equal(result.clusterConfig, config);
    const kept = [result.config.ipv4 && '4', result.config.ipv6 && '6'].filter(Boolean).join('');
    return [kept, result.missingIpv6].filter(Boolean).join(': ');
  };

  it('is the cluster config on a host with both families', () => {
    assert.equal(familiesAt(1500, '2001:db8::1'), '46');
  });

  it('omits IPv6 without an address', () => {
    assert.equal(familiesAt(1500), '4: why');
  });

  it('omits IPv6 where the MTU is too small', () => {
    assert.equal(familiesAt(1350, '2001:db8::1'), '46');
    assert.match(familiesAt(1349, '2001:db8::1'), /^4: .*leaves 1279 bytes and IPv6 needs 1280/);
  });

  it('is the cluster config of a network with one family on every host', () => {
    assert.equal(familiesAt(1280, undefined, network('6', VXLAN)), '6');
    assert.equal(familiesAt(1280, undefined, network('4', VXLAN)), '4');
  });
});
