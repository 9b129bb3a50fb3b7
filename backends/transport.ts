// Transport: backend type, VNI and port, the part of a backend's config on which both ends must
// agree. Matches the transport that a lease announces, and rewrites a lease as if it announced
// another. Pure.
import type { Family } from '../lib/address.ts';
import { defined } from '../lib/defined.ts';
import type { BackendConfig, BackendType } from '../allocator/config/config.ts';
import type { Lease, LeaseAttributes, LegacyTransport } from '../allocator/lease.ts';
import { backendDataOf, publicIpOf } from './address-family.ts';
import { wireType } from './requirements.ts';
import { DEFAULT_VXLAN_PORT } from './vxlan.ts';
import { formatVxlanData, parseVxlanData } from './vxlan-backend-data.ts';
import { stableVtepMac } from './vtep-mac.ts';

export interface Transport {
  readonly type: BackendType;
  /** Only of vxlan. */
  readonly vni?: number;
  /** UDP port; only of vxlan and udp. */
  readonly port?: number;
  /** Generation of keys; only of wireguard. Its ports are those of each host. */
  readonly keyEpoch?: number;
}

/** Port of a backend if the config names none. */
const DEFAULT_PORTS: Readonly<Partial<Record<string, number>>> = { vxlan: DEFAULT_VXLAN_PORT, udp: 8285 };

/** Transport of the hosts that run `backend`. */
export function transportOf(backend: BackendConfig): Transport {
  const { type } = backend;
  if (type === 'vxlan') return { type, vni: backend.vni, port: backend.port ?? DEFAULT_VXLAN_PORT };
  if (type === 'wireguard') return { type, keyEpoch: backend.keyEpoch };
  return type === 'udp' ? { type, port: backend.port } : { type };
}

/**
 * Identifies a transport, as a key and in messages: `vxlan VNI 1 port 8472`, `wireguard key epoch
 * 1`.
 */
export function transportId({ type, vni, port, keyEpoch = 0 }: Transport): string {
  return [
    type,
    keyEpoch !== 0 && `key epoch ${keyEpoch}`,
    vni !== undefined && `VNI ${vni}`,
    port !== undefined && `port ${port}`,
  ]
    .filter(Boolean)
    .join(' ');
}

/** The port as published in leases: unset if it is the default, which flannel hosts use. */
export function publishedPort({ type, port }: Transport): number | undefined {
  return port === DEFAULT_PORTS[type] ? undefined : port;
}

/**
 * Which of `candidates` a lease announces; `undefined` if none. Without a port in the lease: the
 * candidate with the default port, else the last. A flannel host publishes no port and follows only
 * after a restart.
 */
export function matchTransport<Known extends Transport>(
  announced: LegacyTransport,
  candidates: readonly Known[],
): Known | undefined {
  const { backendType, backendData, backendV6Data, port, keyEpoch } = announced;
  const data = parseVxlanData(backendData ?? backendV6Data);
  const vni = data.ok ? data.data.vni : undefined;
  const matching = candidates.filter(
    (transport) =>
      wireType(transport.type) === backendType &&
      (keyEpoch === undefined || transport.keyEpoch === undefined || transport.keyEpoch === keyEpoch) &&
      (vni === undefined || transport.vni === undefined || isSameVni(vni, transport.vni)),
  );
  if (port !== undefined) return matching.find((transport) => transport.port === port);
  return matching.find((transport) => transport.port === DEFAULT_PORTS[transport.type]) ?? matching.at(-1);
}

/** Decodes a published transport; `undefined` if its type or VNI cannot be decoded. */
export function decodeTransport({
  backendType,
  backendData,
  backendV6Data,
  port,
  keyEpoch = 0,
}: LegacyTransport): Transport | undefined {
  if (isPlain(backendType)) return { type: backendType };
  if (backendType === 'wireguard') return { type: 'wireguard', keyEpoch };
  if (backendType === '') return { type: 'udp', port: port ?? DEFAULT_PORTS['udp']! };
  const data = parseVxlanData(backendData ?? backendV6Data);
  if (backendType !== 'vxlan' || !data.ok || data.data.vni === undefined) return undefined;
  return { type: 'vxlan', vni: data.data.vni, port: port ?? DEFAULT_VXLAN_PORT };
}

/** Types of which one transport exists. */
function isPlain(type: string): type is Exclude<BackendType, 'vxlan' | 'udp' | 'alloc'> {
  return (
    type === 'ipsec' ||
    type === 'tencent-vpc' ||
    type === 'host-gw' ||
    type === 'extension' ||
    type === 'ipip'
  );
}

/**
 * The lease of `peer` as if it announced `transport`; unchanged if it does. `undefined` if only the
 * peer itself can say what it would publish, as a key.
 */
export function assumeTransport(peer: Lease, transport: Transport): Lease | undefined {
  const { backendData, backendV6Data, backendType, weft } = peer.attributes;
  const [port, keyEpoch] = [weft?.port, weft?.keyEpoch];
  const advertised = defined({ backendType, backendData, backendV6Data, port, keyEpoch });
  if (matchTransport(advertised, [transport]) !== undefined) return peer;
  const legacy = weft?.leaving?.find((one) => matchTransport(one, [transport]) !== undefined);
  const known = withoutZeroChecksum(peer.attributes);
  if (legacy !== undefined) return { ...peer, attributes: { ...known, ...legacy } };
  if (transport.type === 'wireguard') return undefined;
  const { backendData: _data, backendV6Data: _v6Data, ...rest } = known;
  const attributes: LeaseAttributes = {
    ...rest,
    backendType: wireType(transport.type),
    ...(transport.type === 'vxlan' && vxlanData(peer.attributes, transport.vni ?? 1)),
  };
  return { ...peer, attributes };
}

/** The mark is of the announced transport: another one may be the kernel's, which needs checksums. */
function withoutZeroChecksum(attributes: LeaseAttributes): LeaseAttributes {
  if (attributes.weft?.acceptsZeroChecksum === undefined) return attributes;
  const { acceptsZeroChecksum: _mark, ...weft } = attributes.weft;
  return { ...attributes, weft };
}

/** A host keeps its MAC across VNIs; a host without one has the MAC that it would derive. */
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
