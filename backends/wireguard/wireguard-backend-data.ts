// The JSON that a WireGuard host publishes in its lease: `{"PublicKey":"<base64>","Port":51820}`,
// flannel's format. Turns bad input into a sentence, never into an exception.
import { parseWireguardKey } from '../../lib/wireguard-key.ts';

export interface WireguardData {
  /** Base64. */
  readonly publicKey: string;
  /** Unset if it is 0 or left out: the port that this host has. */
  readonly port?: number;
}

export type WireguardDataResult =
  | { readonly ok: true; readonly data: WireguardData }
  /** What is wrong, with the offending value. */
  | { readonly ok: false; readonly reason: string };

/** Formats data for publication; the order of the members is part of the format. */
export function formatWireguardData(
  publicKey: string,
  port: number,
): { readonly PublicKey: string; readonly Port: number } {
  return { PublicKey: publicKey, Port: port };
}

/**
 * Parses what a host published. Names match in any letter case and other members are ignored, as in
 * Go.
 */
export function parseWireguardData(value: unknown): WireguardDataResult {
  if (value === undefined || value === null) return bad('it publishes no WireGuard key');
  if (typeof value !== 'object' || Array.isArray(value))
    return bad(`its WireGuard data is ${show(value)}, which is no JSON object`);
  const publicKey = memberOf(value, 'PublicKey');
  if (typeof publicKey !== 'string' || parseWireguardKey(publicKey) === undefined)
    return bad(`its PublicKey is ${show(publicKey)}, which is no WireGuard key`);
  const port = memberOf(value, 'Port') ?? 0;
  if (!Number.isInteger(port) || (port as number) < 0 || (port as number) > 65_535)
    return bad(`its Port is ${show(port)}, which is no UDP port`);
  return { ok: true, data: port === 0 ? { publicKey } : { publicKey, port: port as number } };
}

function memberOf(value: object, name: string): unknown {
  const wanted = name.toLowerCase();
  const found = Object.entries(value).findLast(([key]) => key.toLowerCase() === wanted);
  return found?.[1];
}

/** Value as JSON, truncated: any program may have written it. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'missing';
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function bad(reason: string): WireguardDataResult {
  return { ok: false, reason };
}
