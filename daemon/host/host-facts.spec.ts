import assert from 'node:assert/strict';
import type { IpAddress } from '../../lib/address.ts';
import { ip4, route } from '../../backends/fixture.ts';
import { readHost, sameFacts } from './host-facts.ts';
import type { InterfaceOptions } from './interface-facts.ts';
import { ROUTE_PROTOCOL, type Interface, type MainRoute } from '../kernel/kernel.ts';

const NO_OPTIONS: InterfaceOptions = { names: [], patterns: [] };
const IPV4 = { ipv4: true, ipv6: false };

function networkInterface(name: string, ...addresses: readonly string[]): Interface {
  return {
    index: name.length,
    name,
    mtu: 1500,
    isUp: true,
    isLoopback: false,
    type: '',
    addresses: addresses.map((text) => ({
      address: ip4(text) as IpAddress,
      prefixLength: 24,
      scope: 'global',
      isPermanent: true,
      isTemporary: false,
      isDeprecated: false,
    })),
  };
}

function mainRoute(destination: string, changes: Partial<MainRoute> = {}): MainRoute {
  return { ...route(destination), protocol: 3, isMultipath: false, ...changes };
}

const defaultRoute = mainRoute('0.0.0.0/0', { gateway: ip4('10.9.0.254') });
const linkRoute = mainRoute('10.9.0.0/24', { protocol: 2 });

function kernel(interfaces: readonly Interface[], routes: readonly MainRoute[]) {
  return {
    readInterfaces: () => Promise.resolve(interfaces),
    readRoutes: () => Promise.resolve(routes),
    readForwardDrops: () => Promise.resolve([]),
    lookupRoute: () => Promise.resolve(undefined),
  };
}

async function read(...parameters: Parameters<typeof readHost>) {
  const result = await readHost(...parameters);
  assert.ok(result.ok, result.ok ? '' : result.message);
  return result.snapshot;
}

describe('host facts', () => {
  it('have the interface, its addresses, and underlay routes alone', async () => {
    const routes = [
      defaultRoute,
      linkRoute,
      mainRoute('10.5.2.0/24', { gateway: ip4('10.5.2.0'), dev: 'flannel.1' }),
      mainRoute('10.5.3.0/24', { gateway: ip4('10.9.0.3'), protocol: ROUTE_PROTOCOL }),
      mainRoute('10.5.4.0/24', { dev: 'flannel-wg' }),
    ];
    const { facts } = await read(kernel([networkInterface('eth0', '10.9.0.1')], routes), NO_OPTIONS, IPV4);
    assert.deepEqual(facts, {
      interface: { name: 'eth0', mtu: 1500, ipv4: '10.9.0.1' },
      publicIp: '10.9.0.1',
      underlayRoutes: [
        { destination: '0.0.0.0/0', gateway: '10.9.0.254', dev: 'eth0', metric: 0 },
        { destination: '10.9.0.0/24', dev: 'eth0', metric: 0 },
      ],
    });
  });

  it('keep interface and address while they exist', async () => {
    const first = await read(
      kernel([networkInterface('eth0', '10.9.0.1')], [defaultRoute]),
      NO_OPTIONS,
      IPV4,
    );
    const interfaces = [
      networkInterface('eth0', '10.9.0.7', '10.9.0.1'),
      networkInterface('eth11', '10.8.0.1'),
    ];
    const other = mainRoute('0.0.0.0/0', { dev: 'eth11', gateway: ip4('10.8.0.254') });
    const second = await read(kernel(interfaces, [other]), NO_OPTIONS, IPV4, first.chosen);
    assert.deepEqual(second.facts.interface, first.facts.interface);
  });

  it('have another address once the first is removed', async () => {
    const first = await read(
      kernel([networkInterface('eth0', '10.9.0.1')], [defaultRoute]),
      NO_OPTIONS,
      IPV4,
    );
    const changed = kernel([networkInterface('eth0', '10.9.0.7')], [defaultRoute]);
    const second = await read(changed, NO_OPTIONS, IPV4, first.chosen);
    assert.equal(second.facts.publicIp, '10.9.0.7');
    assert.ok(!sameFacts(first.facts, second.facts));
  });

  it('are an error of one line without an interface', async () => {
    const options = { ...NO_OPTIONS, names: ['eth9'] };
    const result = await readHost(kernel([networkInterface('eth0', '10.9.0.1')], []), options, IPV4);
    assert.ok(!result.ok);
    assert.match(result.message, /--iface=eth9: no interface has this name \(there are eth0\)/);
    assert.ok(!result.message.includes('\n'));
  });
});
