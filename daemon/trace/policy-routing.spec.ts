import assert from 'node:assert/strict';
import type { IpAddress } from '../../lib/address.ts';
import { causeOf, renderRule, routeArguments, type RouteRow, type RuleRow } from './policy-routing.ts';

const USUAL: readonly RuleRow[] = [
  { priority: 0, src: 'all', table: 'local' },
  { priority: 32_766, src: 'all', table: 'main' },
  { priority: 32_767, src: 'all', table: 'default' },
];
const MAIN: readonly RouteRow[] = [
  { dst: 'default', gateway: '198.18.0.1', dev: 'eth0' },
  { dst: '10.5.2.0/24', gateway: '10.5.2.0', dev: 'flannel.1', protocol: '87' },
  { type: 'broadcast', dst: '10.5.2.2', dev: 'br0', table: 'local' },
];
const packet = { from: '10.5.1.2' as IpAddress, to: '10.5.2.2' as IpAddress, iif: 'br0' };

describe('the cause of a route', () => {
  for (const [name, rules, routes, expected] of [
    [
      'the most specific route of main',
      [],
      [],
      '32766: from all lookup main | 10.5.2.0/24 via 10.5.2.0 dev flannel.1',
    ],
    [
      'a longer prefix',
      [],
      [{ type: 'blackhole', dst: '10.5.2.0/25' }],
      '32766: from all lookup main | blackhole 10.5.2.0/25',
    ],
    [
      'a smaller metric',
      [],
      [{ dst: '10.5.2.0/24', dev: 'eth1', metric: -1 }],
      '32766: from all lookup main | 10.5.2.0/24 dev eth1 metric -1',
    ],
    [
      'a rule by the incoming device',
      [{ priority: 9, iif: 'br0', table: '100' }],
      [{ dst: 'default', dev: 'eth1', table: '100' }],
      '9: from all iif br0 lookup 100 | default dev eth1 table 100',
    ],
    [
      'a table without a route',
      [{ priority: 9, iif: 'br0', table: '100' }],
      [],
      '32766: from all lookup main | 10.5.2.0/24 via 10.5.2.0 dev flannel.1',
    ],
    [
      'a rule that drops by source',
      [{ priority: 9, src: '10.5.1.0', srclen: 24, action: 'blackhole' }],
      [],
      '9: from 10.5.1.0/24 blackhole | ',
    ],
    [
      'no rule by another source',
      [{ priority: 9, src: '10.5.3.0', srclen: 24, action: 'blackhole' }],
      [],
      '32766: from all lookup main | 10.5.2.0/24 via 10.5.2.0 dev flannel.1',
    ],
    [
      'a rule for all others',
      [{ priority: 9, not: null, iif: 'eth0', action: 'unreachable' }],
      [],
      '9: not from all iif eth0 unreachable | ',
    ],
    [
      'no rule for marked packets',
      [{ priority: 9, fwmark: '0x1', action: 'blackhole' }],
      [],
      '32766: from all lookup main | 10.5.2.0/24 via 10.5.2.0 dev flannel.1',
    ],
    [
      'no default route that a rule suppresses',
      [{ priority: 9, table: '100', suppress_prefixlen: 0 }],
      [{ dst: 'default', dev: 'wg0', table: '100' }],
      '32766: from all lookup main | 10.5.2.0/24 via 10.5.2.0 dev flannel.1',
    ],
    ...[
      { ipproto: 'tcp' },
      { sport: 22 },
      { dport: 80 },
      { sport_start: 1, sport_end: 9 },
      { tos: '0x10' },
      { uid_start: 0, uid_end: 5 },
      { l3mdev: null },
    ].map(
      (selector) =>
        [
          `no rule of packets by ${Object.keys(selector).join()}`,
          [{ priority: 9, ...selector, action: 'blackhole' }],
          [],
          '32766: from all lookup main | 10.5.2.0/24 via 10.5.2.0 dev flannel.1',
        ] as const,
    ),
    [
      'behind the rules that another one passes over',
      [
        { priority: 9, goto: 11 },
        { priority: 10, action: 'blackhole' },
      ],
      [],
      '32766: from all lookup main | 10.5.2.0/24 via 10.5.2.0 dev flannel.1',
    ],
    [
      'not behind a rule that goes nowhere',
      [
        { priority: 9, goto: 11, unresolved: null },
        { priority: 10, action: 'blackhole' },
      ],
      [],
      '10: from all blackhole | ',
    ],
    [
      'no rule that does nothing',
      [{ priority: 9, nop: null }],
      [{ dst: '10.5.2.0/25', dev: 'eth1', table: 'main' }],
      '32766: from all lookup main | 10.5.2.0/25 dev eth1',
    ],
  ] as const satisfies readonly (readonly [string, readonly RuleRow[], readonly RouteRow[], string])[])
    it(`is ${name}`, () => {
      const cause = causeOf([...USUAL, ...rules], [...MAIN, ...routes], packet);
      const route = cause?.route === undefined ? '' : routeArguments(cause.route);
      assert.equal(cause && `${renderRule(cause.rule)} | ${route}`, expected);
    });

  const ruleFor = (rule: Partial<RuleRow>, more: object): string | undefined => {
    const cause = causeOf([...USUAL, { priority: 9, action: 'blackhole', ...rule }], MAIN, {
      ...packet,
      ...more,
    });
    return cause && renderRule(cause.rule);
  };

  it('a rule for the mark that a firewall set', () => {
    assert.equal(ruleFor({ fwmark: '0x1' }, { mark: 1 }), '9: from all fwmark 0x1 blackhole');
    assert.equal(
      ruleFor({ fwmark: '0x10', fwmask: '0x10' }, { mark: 0x31 }),
      '9: from all fwmark 0x10/0x10 blackhole',
    );
    assert.equal(ruleFor({ fwmark: '0x1' }, { mark: 2 }), '32766: from all lookup main');
  });

  it('a rule for the protocol of the packet', () => {
    assert.equal(ruleFor({ ipproto: 'tcp' }, { protocol: 'tcp' }), '9: from all ipproto tcp blackhole');
    assert.equal(ruleFor({ ipproto: 'tcp' }, { protocol: 'udp' }), '32766: from all lookup main');
  });

  it('a route that throws, where no other table has one', () => {
    const routes: readonly RouteRow[] = [...MAIN, { dst: packet.to, type: 'throw', table: 'main' }];
    const cause = causeOf(USUAL, routes, packet);
    assert.equal(cause?.route && routeArguments(cause.route), `throw ${packet.to}`);
  });
});
