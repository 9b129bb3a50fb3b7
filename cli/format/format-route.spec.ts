import assert from 'node:assert/strict';
import { BROKEN_PEERS } from '../fixture/peers.ts';
import { BROKEN_ROUTE, OUTSIDE_ROUTE, ROUTE } from '../fixture/routes.ts';
import { formatRoute, formatRoutes } from './format-route.ts';
import { PLAIN } from './style.ts';

describe('weft route prints', () => {
  it('a complete route', () => {
    assert.equal(
      formatRoute(ROUTE, PLAIN),
      `10.5.100.2  through the kernel's VXLAN, packets of up to 1450 bytes (50 more on the underlay)
  lease      10.5.100.2                       10.5.100.0/24 of 198.18.1.2 (key 10.5.100.0-24)
  route      10.5.100.2                       10.5.100.2 via 10.5.100.0 dev flannel.1 src 10.5.176.0
  neighbour  10.5.100.0 dev flannel.1         10.5.100.0 lladdr 42:a9:6e:0f:bd:7a dev flannel.1
  fdb        42:a9:6e:0f:bd:7a dev flannel.1  42:a9:6e:0f:bd:7a dst 198.18.1.2 dev flannel.1
  underlay   198.18.1.2                       198.18.1.2 dev eth0 src 198.18.1.1
`,
    );
  });

  it('a broken route', () => {
    assert.equal(
      formatRoute(BROKEN_ROUTE, PLAIN),
      `10.5.100.2  dropped
  lease      10.5.100.2                10.5.100.0/24 of 198.18.1.2 (key 10.5.100.0-24)
  route      10.5.100.2                10.5.100.2 via 198.18.0.1 dev eth0 src 198.18.1.1  ! another route than desired: 10.5.100.0/24 via 10.5.100.0 dev flannel.1 onlink
  neighbour  10.5.100.0 dev flannel.1  no entry: such packets are dropped
`,
    );
  });

  it('an address outside of the overlay', () => {
    assert.equal(
      formatRoute(OUTSIDE_ROUTE, PLAIN),
      `192.0.2.1  outside of the overlay: leaves by eth0, without encapsulation
  lease  192.0.2.1  the address lies outside of the overlay network
`,
    );
  });

  const datapaths = [
    ['kernel', 'wireguard', "through the kernel's WireGuard"],
    ['kernel', 'ipip', "through the kernel's IP-in-IP"],
    ['kernel', 'esp', "through the kernel's IPsec"],
    ['userspace', 'wireguard', 'through WireGuard in userspace'],
    ['userspace', 'vxlan', "through weft's own packet path"],
    ['unencapsulated', undefined, 'leaves by eth0, without encapsulation'],
    ['none', undefined, 'dropped'],
  ] as const;
  for (const [datapath, encapsulation, text] of datapaths)
    it(`the datapath ${datapath} with ${encapsulation ?? 'no tunnel'}`, () => {
      const { encapsulation: _vxlan, ...rest } = ROUTE;
      const route = { ...rest, dev: 'eth0', datapath, ...(encapsulation && { encapsulation }) };
      assert.ok(formatRoute(route, PLAIN).startsWith(`10.5.100.2  ${text}, packets`));
    });

  it('all routes, one line per subnet', () => {
    assert.equal(
      formatRoutes(BROKEN_PEERS, PLAIN),
      `DESTINATION       HOST        MODE       STATE
10.5.100.0/24     198.18.1.2  userspace  programmed
10.5.104.0/24     198.18.1.3  userspace  pending
fd00:5:0:68::/64  198.18.1.3  userspace  pending
10.5.108.0/24     -           error      error
`,
    );
  });

  it('a line without routes', () => {
    assert.equal(
      formatRoutes({ ...BROKEN_PEERS, peers: [] }, PLAIN),
      `no routes: this host is alone in its network
`,
    );
  });
});
