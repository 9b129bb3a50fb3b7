// UDP endpoints as text: `192.0.2.1:51820`, `[2001:db8::1]:51820`.
import { parseIp, type IpAddress } from './address.ts';

/** Where a host receives. */
export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
}

export function formatEndpoint({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** `undefined` for any other text than {@link formatEndpoint} makes. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const address = match === null ? undefined : parseIp(match[1] ?? match[2]!);
  const port = Number(match?.[3]);
  return address === undefined || port > 65_535 ? undefined : { address, port };
}
