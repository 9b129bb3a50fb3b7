// The check of the Host header. A web page whose name resolves to this host ("DNS rebinding") could
// read answers in a browser; its requests bear its own name. Addresses are always accepted, as no
// page can make another address of its name.
import { isIP } from 'node:net';
import { hostname } from 'node:os';

/** Whether `header` is an address, this host, or one of `names` (lower case, `*.` for suffixes). */
export function isHostAccepted(header: string | undefined, names: readonly string[]): boolean {
  // Without the header (HTTP/1.0), it is no browser.
  if (header === undefined) return true;
  const name = nameIn(header);
  if (name === undefined) return false;
  if (isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost')) return true;
  if (name === hostname().toLowerCase()) return true;
  return names.some((known) => (known.startsWith('*.') ? name.endsWith(known.slice(1)) : name === known));
}

/** The host of `HOST[:PORT]` in lower case, without brackets and trailing dot. */
function nameIn(header: string): string | undefined {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:[\]/@\s]+?)\.?)(?::\d{1,5})?$/.exec(header) ?? [];
  return (bracketed ?? plain)?.toLowerCase();
}
