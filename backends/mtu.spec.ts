import assert from 'node:assert/strict';
import { backendFor } from './index.ts';
import { BackendError } from './backend.ts';
import { UDP, VXLAN, host, network } from './fixture.ts';
import type { Families } from './fixture.ts';
import type { UnderlayMtu } from './kernel-state.ts';
import { udpOverheadBytes, vxlanOverheadBytes } from './mtu.ts';

function hostWithMtu(mtu: number) {
  const facts = host();
  return { ...facts, interface: { ...facts.interface, mtu: mtu as UnderlayMtu } };
}

describe('MTU', () => {
  it('VXLAN adds 50 bytes over IPv4 and 70 over IPv6', () => {
    assert.equal(vxlanOverheadBytes(4), 50);
    assert.equal(vxlanOverheadBytes(6), 70);
  });

  it('UDP adds 28 bytes over IPv4 and 48 over IPv6', () => {
    assert.equal(udpOverheadBytes(4), 28);
    assert.equal(udpOverheadBytes(6), 48);
  });

  const cases: readonly [string, Families, number, number | undefined, number][] = [
    ['of the interface, IPv4', '4', 1500, undefined, 1450],
    ['of the interface, IPv6', '6', 1500, undefined, 1430],
    ['the smaller one on dual-stack', '46', 1500, undefined, 1430],
    ['from config below that of the interface', '4', 9000, 1500, 1450],
    ['from config above that of the interface does not count', '4', 1500, 9000, 1450],
    ['jumbo', '4', 9001, undefined, 8951],
    ['smallest that IPv6 can use', '6', 1350, undefined, 1280],
    ['smallest that IPv4 can use', '4', 118, undefined, 68],
  ];
  for (const [name, families, interfaceMtu, mtu, expected] of cases)
    it(`vxlan: ${name}`, () => {
      const config = network(families, mtu === undefined ? VXLAN : { ...VXLAN, mtu });
      assert.equal(backendFor('vxlan').mtu(config, hostWithMtu(interfaceMtu)), expected);
    });

  const udpCases: readonly [string, Families, number, number | undefined, number][] = [
    ['of the interface, IPv4', '4', 1500, undefined, 1472],
    ['of the interface, IPv6', '6', 1500, undefined, 1452],
    ['the smaller one on dual-stack', '46', 1500, undefined, 1452],
    ['from config below that of the interface', '4', 9000, 1500, 1472],
    ['from config above that of the interface does not count', '4', 1500, 9000, 1472],
    ['smallest that IPv6 can use', '6', 1328, undefined, 1280],
    ['smallest that IPv4 can use', '4', 96, undefined, 68],
  ];
  for (const [name, families, interfaceMtu, mtu, expected] of udpCases)
    it(`udp: ${name}`, () => {
      const config = network(families, mtu === undefined ? UDP : { ...UDP, mtu });
      assert.equal(backendFor('udp').mtu(config, hostWithMtu(interfaceMtu)), expected);
    });

  it('vxlan keeps it in userspace, so that peers see no difference', () => {
    const config = network('46', { ...VXLAN, userspace: true });
    assert.equal(backendFor('vxlan').mtu(config, hostWithMtu(1500)), 1430);
  });

  for (const [families, mtu, needed, settings] of [
    ['6', 1349, 1350, VXLAN],
    ['46', 1349, 1350, VXLAN],
    ['4', 117, 118, VXLAN],
    ['46', 1327, 1328, UDP],
    ['4', 95, 96, UDP],
  ] as const)
    it(`${settings.type} refuses ${mtu} bytes for families ${families} and says how many it needs`, () => {
      const config = network(families, settings);
      assert.throws(
        () => backendFor(settings.type).mtu(config, hostWithMtu(mtu)),
        (error) =>
          error instanceof BackendError &&
          error.message.includes(String(mtu)) &&
          error.message.includes(String(needed)),
      );
    });

  for (const type of ['host-gw', 'alloc'] as const)
    it(`${type} keeps that of the interface`, () => {
      assert.equal(backendFor(type).mtu(network('46', { type }), hostWithMtu(9001)), 9001);
    });
});
