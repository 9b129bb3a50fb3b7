// The JSON that a VXLAN host publishes in its lease: `{"VNI":1,"VtepMAC":"c6:d2:32:6f:8f:44"}`,
// flannel's format. Turns bad input into a sentence, never into an exception.
import { NO_MAC, parseMac } from '../lib/address.ts';
import type { MacAddress } from '../lib/address.ts';

/** Largest VXLAN network identifier (RFC 7348 §5: 24 bits). */
export const MAX_VNI = 0xff_ffff;

export interface VxlanData {
  /** Unset in data of hosts too old to publish it. */
  readonly vni?: number;
  readonly mac: MacAddress;
}

export type VxlanDataResult =
  | { readonly ok: true; readonly data: VxlanData }
  /** What is wrong, with the offending value. */
  | { readonly ok: false; readonly reason: string };

/** Formats data for publication; the order of the members is part of the format. */
export function formatVxlanData(
  vni: number,
  mac: MacAddress,
): { readonly VNI: number; readonly VtepMAC: string } {
  return { VNI: vni, VtepMAC: mac };
}

/**
 * Parses what a host published. Names match in any letter case and other members are ignored, as in
 * Go.
 */
export function parseVxlanData(value: unknown): VxlanDataResult {
  if (value === undefined || value === null) return bad('it publishes no VXLAN data');
  if (typeof value !== 'object' || Array.isArray(value))
    return bad(`its VXLAN data is ${show(value)}, which is no JSON object`);
  const vni = memberOf(value, 'VNI');
  if (vni !== undefined && !isVni(vni)) return bad(`its VNI is ${show(vni)}, which is not in 1..${MAX_VNI}`);
  const text = memberOf(value, 'VtepMAC');
  const mac = typeof text === 'string' ? parseMac(text) : undefined;
  if (mac === undefined) return bad(`its VtepMAC is ${show(text)}, which is no MAC address`);
  if (!isUnicastMac(mac)) return bad(`its VtepMAC is ${mac}, which is no unicast address`);
  return { ok: true, data: vni === undefined ? { mac } : { vni, mac } };
}

/**
 * Whether a frame can be sent to `mac` as to one station: group bit clear and not all zero (IEEE
 * 802 §8.2).
 */
export function isUnicastMac(mac: MacAddress): boolean {
  return (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0 && mac !== NO_MAC;
}

function isVni(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_VNI;
}

function memberOf(value: object, name: string): unknown {
  const members = value as Readonly<Record<string, unknown>>;
  if (Object.hasOwn(members, name)) return members[name];
  const wanted = name.toLowerCase();
  const other = Object.keys(members).findLast((key) => key.toLowerCase() === wanted);
  return other === undefined ? undefined : members[other];
}

/** Value as JSON, truncated: any program may have written it. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'missing';
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function bad(reason: string): VxlanDataResult {
  return { ok: false, reason };
}
