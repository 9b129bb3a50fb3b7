// What the underlay of the path benchmark does with packets, and how to see that it does.
import { OFFLOADS_OFF } from '../../../lab/topology.ts';
import type { Station } from './path-station.ts';

/**
 * Whether packets cross the underlay by themselves, and are joined at the other end. `wire`: as between network cards that
 * neither segment nor compute checksums, with GRO; `uncut`: super-packets cross whole, as a veth does by default;
 * `slow-wire`: as `wire` without GRO.
 */
export const UNDERLAYS = ['wire', 'uncut', 'slow-wire'] as const;
export type UnderlayKind = (typeof UNDERLAYS)[number];

/** Arguments of `ethtool -K` for each end of the underlay. */
export function offloadsOf(underlay: UnderlayKind): readonly string[] {
  if (underlay === 'uncut') return ['tx', 'on', 'tso', 'on', 'gso', 'on', 'gro', 'off'];
  return underlay === 'wire' ? [...OFFLOADS_OFF, 'gro', 'on'] : OFFLOADS_OFF;
}

/** @throws Error if eth0 at `station` lets super-packets pass where packets must cross by themselves, or the reverse. */
export async function checkOffloads(station: Station, underlay: UnderlayKind): Promise<void> {
  const features = await station.run(['ethtool', '-k', 'eth0']);
  const isOn = (title: string) => new RegExp(`^${title}: on\\b`, 'm').test(features);
  const wanted = {
    'tcp-segmentation-offload': underlay === 'uncut',
    'tx-udp-segmentation': underlay === 'uncut',
    'generic-receive-offload': underlay === 'wire',
  };
  for (const [title, state] of Object.entries(wanted))
    if (isOn(title) !== state)
      throw new Error(
        `Underlay ${underlay} needs ${title} ${state ? 'on' : 'off'}, which eth0 does not have`,
      );
}

/** Sums FragCreates of IPv4 and Ip6FragCreates of IPv6, of the namespace that `station` is in. */
export async function fragmentsOf(station: Station): Promise<number> {
  const [names, values] = (await station.run(['grep', '^Ip:', '/proc/net/snmp'])).split('\n');
  const ipv4 = Number(values!.split(' ')[names!.split(' ').indexOf('FragCreates')]);
  const ipv6 = await station.run(['cat', '/proc/net/snmp6']);
  return ipv4 + Number(/^Ip6FragCreates\s+(\d+)/m.exec(ipv6)?.[1] ?? 0);
}
