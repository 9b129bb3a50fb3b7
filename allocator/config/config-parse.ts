// Makes a NetworkConfig of the config document's text: JSON, fields, backend, ranges, then frozen. Pure, and finds all
// problems at once. Whether flannel nodes in the same network would agree is for the daemon to see from their leases.
import { DEFAULT_BACKEND, readBackend } from './config-backend.ts';
import { readDocument, readFields, warnUnknown } from './config-document.ts';
import type { ConfigField, UnknownField } from './config-document.ts';
import { ConfigFields } from './config-fields.ts';
import { ConfigIssues } from './config-issue.ts';
import type { ConfigIssue } from './config-issue.ts';
import { readIpv4Range, readIpv6Range } from './config-range.ts';
import { backendFields, networkFields } from './config-schema.ts';
import type { NetworkFieldName } from './config-schema.ts';
import type { NetworkConfig } from './config.ts';

export type NetworkConfigResult =
  | { readonly ok: true; readonly config: NetworkConfig; readonly warnings: readonly ConfigIssue[] }
  /** At least one error, and the warnings, in the order of the text. */
  | { readonly ok: false; readonly issues: readonly ConfigIssue[] };

/** Reads, completes and checks a config document. The result is deeply frozen. */
export function parseNetworkConfig(text: string): NetworkConfigResult {
  const issues = new ConfigIssues(text);
  const config = readConfig(text, issues);
  if (config === undefined || issues.hasErrors) return { ok: false, issues: issues.list };
  return { ok: true, config: deepFreeze(config), warnings: issues.list };
}

function readConfig(text: string, issues: ConfigIssues): NetworkConfig | undefined {
  const root = readDocument(text, issues);
  if (root === undefined) return undefined;
  if (root.node.type !== 'object') {
    issues.error(root, 'must be a JSON object such as {"Network": "10.5.0.0/16"}');
    return undefined;
  }
  const { known, unknown } = readFields(text, root, Object.keys(networkFields), issues);
  for (const field of unknown) warnUnknownHere(field, issues);
  const fields = new ConfigFields(root, known, networkFields, issues);
  return completeConfig(text, root, fields);
}

function completeConfig(
  text: string,
  root: ConfigField,
  fields: ConfigFields<NetworkFieldName>,
): NetworkConfig | undefined {
  const { issues } = fields;
  const isIpv4Enabled = fields.boolean('EnableIPv4');
  const isIpv6Enabled = fields.boolean('EnableIPv6');
  const enableNftables = fields.optionalBoolean('EnableNFTables');
  if (!isIpv4Enabled && !isIpv6Enabled && !fields.isBad('EnableIPv6'))
    fields.error('EnableIPv4', 'leaves no address family, as EnableIPv6 is off too: set one of them to true');
  const ipv4 = readIpv4Range(fields, isIpv4Enabled);
  const ipv6 = readIpv6Range(fields, isIpv6Enabled);
  const object = fields.get('Backend');
  if (object === undefined)
    issues.warn(
      { path: '/Backend', offset: root.offset },
      'is missing: weft takes vxlan but flannel takes udp; write "Backend": {"Type": "vxlan"}, or "udp" if flannel hosts are to stay',
    );
  const backend = object === undefined ? DEFAULT_BACKEND : readBackend(text, object, isIpv6Enabled, issues);
  if (backend === undefined) return undefined;
  return {
    ...(ipv4 && { ipv4 }),
    ...(ipv6 && { ipv6 }),
    ...(enableNftables !== undefined && { enableNftables }),
    backend,
    isBackendDefaulted: object === undefined,
  };
}

function warnUnknownHere(field: UnknownField, issues: ConfigIssues): void {
  const lowerName = field.name.toLowerCase();
  const isOfBackend = Object.keys(backendFields).some((name) => name.toLowerCase() === lowerName);
  if (isOfBackend) issues.warnUnknownField(field, 'is ignored: it belongs inside Backend, move it there');
  else warnUnknown(field, Object.keys(networkFields), issues);
}

function deepFreeze<Value extends object>(value: Value): Value {
  for (const child of Object.values(value))
    if (typeof child === 'object' && child !== null) deepFreeze(child as object);
  return Object.freeze(value);
}
