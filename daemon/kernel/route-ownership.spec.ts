import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Cidr } from '../../lib/address.ts';
import { RouteOwnership, type RouteShape } from './route-ownership.ts';

const cidr = (text: string): Cidr => text as Cidr;
const OWNERSHIP = new RouteOwnership({
  devices: ['flannel.1'],
  networks: [
    { network: cidr('10.5.0.0/17'), subnetLength: 24 },
    { network: cidr('fd00:5::/41'), subnetLength: 64 },
  ],
  interface: 'eth9',
});
const FLANNELS: RouteShape = {
  destination: cidr('10.5.2.0/24'),
  protocol: 3,
  type: 1,
  dev: 'eth9',
  hasGateway: true,
};

describe('RouteOwnership', () => {
  for (const [what, change, isOurs] of [
    ['as flannel makes it', {}, true],
    ['through our device', { dev: 'flannel.1' }, true],
    ['of IPv6', { destination: cidr('fd00:5:2::/64') }, true],
    ['through another interface', { dev: 'eth0' }, false],
    ['without gateway', { hasGateway: false }, false],
    ['with the metric of one made without', { metric: 0 }, true],
    ['with a metric', { metric: 100 }, false],
    ['with a metric, IPv6', { destination: cidr('fd00:5:2::/64'), metric: 100 }, false],
    ['with the metric of one made without, IPv6', { destination: cidr('fd00:5:2::/64'), metric: 1024 }, true],
    ['blackhole', { type: 6 }, false],
    ['of another length', { destination: cidr('10.5.2.0/25') }, false],
    ['of another protocol', { protocol: 4 }, false],
    ['outside, in the bits of the last octet', { destination: cidr('10.5.128.0/24') }, false],
    ['outside, IPv6', { destination: cidr('fd00:5:80::/64') }, false],
    ['wider than the network', { destination: cidr('10.5.0.0/16') }, false],
    ['with our number, any shape', { protocol: 87, dev: '', hasGateway: false, type: 6 }, true],
    ['with our number, outside', { protocol: 87, destination: cidr('10.6.0.0/24') }, false],
    [
      'anything else through our device',
      { dev: 'flannel.1', protocol: 4, destination: cidr('0.0.0.0/0') },
      true,
    ],
    ["the kernel's own of our device", { dev: 'flannel.1', protocol: 2 }, false],
    ['from a router advertisement on our device', { dev: 'flannel.1', protocol: 9 }, false],
  ] as const)
    it(`${isOurs ? 'ours' : 'foreign'}: ${what}`, () =>
      assert.equal(OWNERSHIP.isOurs({ ...FLANNELS, ...change }), isOurs));
});
