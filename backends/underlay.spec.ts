import assert from 'node:assert/strict';
import type { UnderlayRoute } from './backend.ts';
import { ip4, ip6, route } from './fixture.ts';
import { bestPrefixLength, isOnLink, onLinkDevice } from './underlay.ts';

const gateway = ip4('10.9.0.254');

describe('isOnLink', () => {
  const cases: readonly [string, readonly UnderlayRoute[], string, string | undefined][] = [
    ['no route at all', [], '10.9.0.7', undefined],
    ['connected network', [route('10.9.0.0/24')], '10.9.0.7', 'eth0'],
    ['outside the connected network', [route('10.9.0.0/24')], '10.9.1.7', undefined],
    ['default route behind a gateway', [route('0.0.0.0/0', { gateway })], '10.9.0.7', undefined],
    ['default route without gateway', [route('0.0.0.0/0', { dev: 'ppp0' })], '10.9.0.7', 'ppp0'],
    [
      'longer prefix behind a gateway',
      [route('10.9.0.0/24'), route('10.9.0.7/32', { gateway })],
      '10.9.0.7',
      undefined,
    ],
    [
      'longer prefix on the link',
      [route('10.9.0.0/24', { gateway }), route('10.9.0.0/28')],
      '10.9.0.7',
      'eth0',
    ],
    [
      'lower metric behind a gateway',
      [route('10.9.0.0/24', { metric: 5 }), route('10.9.0.0/24', { gateway })],
      '10.9.0.7',
      undefined,
    ],
    [
      'lower metric on the link',
      [route('10.9.0.0/24', { metric: 5, gateway }), route('10.9.0.0/24')],
      '10.9.0.7',
      'eth0',
    ],
    [
      'two routes that tie',
      [route('10.9.0.0/24'), route('10.9.0.0/24', { dev: 'eth1' })],
      '10.9.0.7',
      undefined,
    ],
    ['other family', [route('::/0')], '10.9.0.7', undefined],
    ['IPv6', [route('2001:db8::/64'), route('::/0', { gateway: ip6('fe80::1') })], '2001:db8::7', 'eth0'],
  ];
  for (const [name, routes, address, expected] of cases)
    it(`${name}: ${expected ?? 'no'}`, () => {
      const parsed = address.includes(':') ? ip6(address) : ip4(address);
      assert.equal(onLinkDevice(routes, parsed), expected);
      assert.equal(isOnLink(routes, parsed), expected !== undefined);
    });

  it('of another device does not count when a device is asked for', () => {
    const routes = [route('10.9.0.0/24', { dev: 'eth1' })];
    assert.equal(isOnLink(routes, ip4('10.9.0.7'), 'eth0'), false);
    assert.equal(isOnLink(routes, ip4('10.9.0.7'), 'eth1'), true);
  });
});

describe('bestPrefixLength', () => {
  const routes = [route('0.0.0.0/0', { gateway }), route('10.9.0.0/24'), route('2001:db8::/64')];
  for (const [address, expected] of [
    [ip4('10.9.0.7'), 24],
    [ip4('10.9.1.7'), 0],
    [ip6('2001:db8::7'), 64],
    [ip6('2001:db8:1::7'), 0],
  ] as const)
    it(`of ${address} is ${expected}`, () => assert.equal(bestPrefixLength(routes, address), expected));
});
