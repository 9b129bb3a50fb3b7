// Between a node's record, the registry entry that caches keep, and the lease that it means. The
// entry is text, as in every registry, so that caches compare it cheaply; its key is the node's name.
import { familyOf, networkOf, parseCidr } from '../../../lib/address.ts';
import type { Ipv4Cidr, Ipv6Cidr } from '../../../lib/address.ts';
import type { LeaseAttributes, LeaseSubnets } from '../../lease.ts';
import type { DecodedEntry } from '../lease-entry.ts';
import { decodeLeaseValue, encodeLeaseValue } from '../lease-value.ts';
import { NO_LEASE } from '../registry.ts';
import type { RegistryEntry, Revision } from '../registry.ts';
import type { AnnotationNames } from './annotations.ts';
import { readWeftAnnotation } from './node-record.ts';
import type { NodeRecord, WeftAnnotation } from './node-record.ts';

/** Value of an entry, as JSON. `value` is what a key in etcd would hold. */
interface NodeEntryValue {
  readonly uid: string;
  readonly podCidrs?: readonly string[];
  readonly value: Readonly<Record<string, unknown>>;
  /** Of this host's own node only: all that it publishes or that an operator set. */
  readonly own?: NodeRecord['annotations'];
}

/** Whether peers of this node may use its annotations, as flannel decides it. */
export function isManaged({ annotations }: NodeRecord): boolean {
  return annotations.isManaged === 'true';
}

export function toEntry(record: NodeRecord, modRevision: Revision, isOwn: boolean): RegistryEntry {
  const { annotations, name, podCidrs, uid } = record;
  const value: NodeEntryValue = {
    uid,
    ...(podCidrs && { podCidrs }),
    value: leaseValueOf(record),
    ...(isOwn && { own: annotations }),
  };
  return { key: name, value: JSON.stringify(value), leaseId: NO_LEASE, modRevision };
}

function leaseValueOf({ annotations, uid }: NodeRecord): Record<string, unknown> {
  const { backendData, backendType, backendV6Data, publicIp, publicIpv6 } = annotations;
  return {
    PublicIP: publicIp ?? '0.0.0.0',
    PublicIPv6: publicIpv6 ?? null,
    BackendType: backendType ?? '',
    BackendData: parseData(backendData),
    BackendV6Data: parseData(backendV6Data),
    Weft: readWeftAnnotation(annotations.weft, uid)?.weft,
  };
}

/** Text that is not JSON stays text, for the backend to refuse by name. */
function parseData(text: string | undefined): unknown {
  if (text === undefined || text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Makes the lease of an entry of {@link toEntry}, or says why the node has none. */
export function decodeNodeEntry(entry: RegistryEntry): DecodedEntry {
  const { key } = entry;
  const { podCidrs, value } = JSON.parse(entry.value) as NodeEntryValue;
  const subnets = parsePodCidrs(podCidrs ?? []);
  if (typeof subnets === 'string') return { ok: false, invalid: { key, reason: subnets } };
  const decoded = decodeLeaseValue(JSON.stringify(value));
  if (!decoded.ok) return { ok: false, invalid: { key, reason: decoded.reason, blocked: subnets } };
  return { ok: true, lease: { key, subnets, attributes: decoded.attributes, isReservation: false } };
}

/** The record of this host's own node, from its entry. */
export function readOwnEntry({ key, value }: RegistryEntry): NodeRecord {
  const { own = {}, podCidrs, uid } = JSON.parse(value) as NodeEntryValue;
  return { name: key, uid, annotations: own, ...(podCidrs && { podCidrs }) };
}

/**
 * At most one CIDR a family, in any order: IPv6 may come first. Host bits are cut, as the API
 * server accepts them.
 */
export function parsePodCidrs(texts: readonly string[]): LeaseSubnets | string {
  if (texts.length === 0)
    return 'the node has no spec.podCIDR: is kube-controller-manager run with --allocate-node-cidrs?';
  let subnets: LeaseSubnets = {};
  for (const text of texts) {
    const parsed = parseCidr(text);
    if (parsed === undefined)
      return `pod CIDR ${JSON.stringify(text.slice(0, 60))} is no network in CIDR notation`;
    const family = familyOf(parsed.address) === 4 ? 'ipv4' : 'ipv6';
    if (subnets[family] !== undefined)
      return `pod CIDRs ${subnets[family]} and ${text} are of one family; one each is supported`;
    subnets = { ...subnets, [family]: networkOf(parsed.address, parsed.prefixLength) as Ipv4Cidr & Ipv6Cidr };
  }
  return subnets;
}

/** Annotations that publish `attributes`; `null` removes one that an earlier publication set. */
export function annotationsOf(
  attributes: LeaseAttributes,
  node: Pick<WeftAnnotation, 'uid' | 'podCidrs'>,
  names: AnnotationNames,
  overwrites: { readonly publicIp?: string; readonly publicIpv6?: string } = {},
): Record<string, string | null> {
  const { backendData, backendType, backendV6Data, publicIp, publicIpv6 } = attributes;
  const { Weft: weft } = JSON.parse(encodeLeaseValue(attributes)) as { Weft?: unknown };
  const own: WeftAnnotation = { uid: node.uid, podCidrs: node.podCidrs, ...(weft !== undefined && { weft }) };
  return {
    [names.isManaged]: 'true',
    [names.backendType]: backendType,
    [names.backendData]: publicIp === undefined ? null : JSON.stringify(backendData ?? null),
    [names.publicIp]: overwrites.publicIp ?? publicIp ?? null,
    [names.backendV6Data]: publicIpv6 === undefined ? null : JSON.stringify(backendV6Data ?? null),
    [names.publicIpv6]: overwrites.publicIpv6 ?? publicIpv6 ?? null,
    [names.weft]: JSON.stringify(own),
  };
}
