// Addresses of etcd behind the names of its endpoints. Read once, after the registry was read, when
// the names resolve; the addresses of a name that changes later are those of other hosts.
import { lookup } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseIp, type IpAddress } from '../../lib/address.ts';
import type { InterfaceOptions } from './interface-facts.ts';

/** Names that resolve slower do without. */
const LIMIT_MS = 1000;

/** `options` with the addresses of `endpoints` that are names. */
export async function withEtcdAddresses(
  options: InterfaceOptions,
  endpoints: readonly string[],
  resolve: (name: string) => Promise<readonly string[]> = resolveName,
): Promise<InterfaceOptions> {
  const names = endpoints.map((endpoint) => new URL(endpoint).hostname).filter(isName);
  if (names.length === 0) return options;
  const none: readonly string[] = [];
  const found = await Promise.all(
    names.map((name) =>
      Promise.race([resolve(name).catch(() => none), sleep(LIMIT_MS, none, { ref: false })]),
    ),
  );
  const added = found
    .flat()
    .flatMap((text) => parseIp(text) ?? [])
    .filter((address) => !isLoopback(address));
  return { ...options, etcdAddresses: [...new Set([...(options.etcdAddresses ?? []), ...added])] };
}

async function resolveName(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

function isName(host: string): boolean {
  return !host.startsWith('[') && parseIp(host) === undefined;
}

function isLoopback(address: IpAddress): boolean {
  return address.startsWith('127.') || address === '::1';
}
