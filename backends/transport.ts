// How packets reach a host: the part of a backend's config that both ends must have alike. Says which way a lease announces
// and what a lease would say if it announced another. Pure.
import type { Family } from '../lib/address.ts';
import type { BackendConfig, BackendType } from '../allocator/config/config.ts';
import type { Lease, LeaseAttributes, LegacyTransport } from '../allocator/lease.ts';
import { backendDataOf, publicIpOf } from './address-family.ts';
import { wireType } from './requirements.ts';
import { DEFAULT_VXLAN_PORT } from './vxlan.ts';
import { formatVxlanData, parseVxlanData } from './vxlan-data.ts';
import { stableVtepMac } from './vtep-mac.ts';

export interface Transport {
  readonly type: BackendType;
  /** Only of vxlan. */
  readonly vni?: number;
  /** UDP port; only of vxlan and udp. */
  readonly port?: number;
}

/** What a backend's port is if nobody says otherwise. */
const USUAL_PORTS: Readonly<Partial<Record<string, number>>> = { vxlan: DEFAULT_VXLAN_PORT, udp: 8285 };

/** Way of the hosts that run `backend`. */
export function transportOf(backend: BackendConfig): Transport {
  const { type } = backend;
  if (type === 'vxlan') return { type, vni: backend.vni, port: backend.port ?? DEFAULT_VXLAN_PORT };
  return type === 'udp' ? { type, port: backend.port } : { type };
}

/** Names a way, for people and as a key: `vxlan VNI 1 port 8472`. */
export function transportId({ type, vni, port }: Transport): string {
  return [type, vni !== undefined && `VNI ${vni}`, port !== undefined && `port ${port}`]
    .filter(Boolean)
    .join(' ');
}

/** The port as leases tell it: unset if it is the usual one, as hosts that cannot tell have it. */
export function publishedPort({ type, port }: Transport): number | undefined {
  return port === USUAL_PORTS[type] ? undefined : port;
}

/**
 * Which of `ways` a lease announces; `undefined` if none. Without a port in it: the one with the usual port, or else the
 * last, as it is of a host that cannot tell, and follows only when it is started again.
 */
export function matchTransport<Known extends Transport>(
  announced: LegacyTransport,
  ways: readonly Known[],
): Known | undefined {
  const { backendType, backendData, backendV6Data, port } = announced;
  const data = parseVxlanData(backendData ?? backendV6Data);
  const vni = data.ok ? data.data.vni : undefined;
  const alike = ways.filter(
    (way) =>
      wireType(way.type) === backendType &&
      (vni === undefined || way.vni === undefined || isSameVni(vni, way.vni)),
  );
  if (port !== undefined) return alike.find((way) => way.port === port);
  return alike.find((way) => way.port === USUAL_PORTS[way.type]) ?? alike.at(-1);
}

/** The way that a lease tells of, of a type that can be told; `undefined` for any other. */
export function decodeTransport({
  backendType,
  backendData,
  backendV6Data,
  port,
}: LegacyTransport): Transport | undefined {
  if (backendType === 'host-gw') return { type: 'host-gw' };
  if (backendType === '') return { type: 'udp', port: port ?? USUAL_PORTS['udp']! };
  const data = parseVxlanData(backendData ?? backendV6Data);
  if (backendType !== 'vxlan' || !data.ok || data.data.vni === undefined) return undefined;
  return { type: 'vxlan', vni: data.data.vni, port: port ?? DEFAULT_VXLAN_PORT };
}

/** The lease of `peer` as it would be if it announced `way`; as it is if it does. */
export function assumeTransport(peer: Lease, way: Transport): Lease {
  const { backendData, backendV6Data, backendType, weft } = peer.attributes;
  const told = {
    backendType,
    backendData,
    backendV6Data,
    ...(weft?.port !== undefined && { port: weft.port }),
  };
  if (matchTransport(told, [way]) !== undefined) return peer;
  const leaving = weft?.leaving?.find((one) => matchTransport(one, [way]) !== undefined);
  if (leaving !== undefined) return { ...peer, attributes: { ...peer.attributes, ...leaving } };
  const { backendData: _data, backendV6Data: _v6Data, ...rest } = peer.attributes;
  const attributes: LeaseAttributes = {
    ...rest,
    backendType: wireType(way.type),
    ...(way.type === 'vxlan' && vxlanData(peer.attributes, way.vni ?? 1)),
  };
  return { ...peer, attributes };
}

/** A host keeps its MAC from one VNI to another; without any it is the one that it would derive. */
function vxlanData(
  attributes: LeaseAttributes,
  vni: number,
): Pick<LeaseAttributes, 'backendData' | 'backendV6Data'> {
  const dataOf = (family: Family): object | undefined => {
    const publicIp = publicIpOf(attributes, family);
    if (publicIp === undefined) return undefined;
    return formatVxlanData(vni, stableVtepMac(backendDataOf(attributes, family), { publicIp, vni, family }));
  };
  return { backendData: dataOf(4), backendV6Data: dataOf(6) };
}

/** Some flannel releases publish only the low 16 bits of a VNI. */
function isSameVni(theirs: number, ours: number): boolean {
  return theirs === ours || theirs === (ours & 0xffff);
}
