// An address of this host's subnet that no container has: from the end of the subnet, where engines come
// to last, unknown to host-local and to the kernel's neighbours, and without an answer to an echo.
import { readdir } from 'node:fs/promises';
import {
  addToAddress,
  addressOf,
  bitsOf,
  familyOf,
  prefixLengthOf,
  type Cidr,
  type IpAddress,
} from '../../lib/address.ts';
import { loadNative } from '../../native/index.ts';
import { runTool } from '../kernel/firewall/run-tool.ts';
import { Prober } from '../probe/prober.ts';
import type { LinkRow } from './test-devices.ts';

/** Where host-local keeps a file for each address that it gave away, one folder a network. */
const POOLS = '/var/lib/cni/networks';
/** Addresses that are asked for. */
const MAX_TRIES = 4;
const ANSWER_MS = 300;
/** Candidates at the end of the subnet, broadcast address aside. */
const CANDIDATES = 64n;

/** @param bridge - where a container with the address would answer */
export async function findFreeAddress(
  subnet: Cidr,
  links: readonly LinkRow[],
  bridge: string | undefined,
): Promise<IpAddress | undefined> {
  const taken = new Set([...addressesOf(links), ...(await reservations()), ...(await neighbours(bridge))]);
  const free = candidatesOf(subnet).filter((address) => !taken.has(address));
  for (const address of free.slice(0, MAX_TRIES))
    if (bridge === undefined || !(await isAnswered(address, bridge))) return address;
  return undefined;
}

/** Usable addresses from the end of the subnet, the last first. Pure. */
export function candidatesOf(subnet: Cidr): readonly IpAddress[] {
  const family = familyOf(subnet);
  const size = 1n << BigInt(bitsOf(family) - prefixLengthOf(subnet));
  // Of 4 addresses the first is the subnet's, the second the bridge's, the last for broadcasts.
  const count = size - 3n < CANDIDATES ? size - 3n : CANDIDATES;
  const last = addToAddress(addressOf(subnet), size - 2n);
  return Array.from({ length: Math.max(0, Number(count)) }, (_, index) => addToAddress(last, -BigInt(index)));
}

function addressesOf(links: readonly LinkRow[]): readonly string[] {
  return links.flatMap(({ addr_info = [] }) => addr_info.map(({ local = '' }) => local));
}

/** What CNI's host-local has given away. */
async function reservations(): Promise<readonly string[]> {
  const networks = await readdir(POOLS).catch(() => []);
  return (await Promise.all(networks.map((name) => readdir(`${POOLS}/${name}`).catch(() => [])))).flat();
}

async function neighbours(bridge: string | undefined): Promise<readonly string[]> {
  if (bridge === undefined) return [];
  return (await readNeighbours(['show', 'dev', bridge])).filter(isKnown).map(({ dst }) => dst);
}

/** Whether a container of the bridge has the address, though it may answer no echo. */
async function isAnswered(address: IpAddress, bridge: string): Promise<boolean> {
  const prober = new Prober({ addon: loadNative() });
  try {
    const { received } = await prober.probe(address, { count: 1, timeoutMs: ANSWER_MS });
    if (received > 0) return true;
  } catch {
    // Without the addon the request below has no answer, and neighbours are all that is known.
  } finally {
    prober.close();
  }
  return (await readNeighbours(['show', address, 'dev', bridge])).some(isKnown);
}

interface NeighbourRow {
  readonly dst: string;
  readonly lladdr?: string;
  readonly state?: readonly string[];
}

/** It has answered once. */
const isKnown = ({ lladdr, state = [] }: NeighbourRow): boolean =>
  lladdr !== undefined && !state.includes('FAILED');

async function readNeighbours(args: readonly string[]): Promise<readonly NeighbourRow[]> {
  const { code, stdout } = await runTool('ip', ['-j', 'neighbour', ...args]);
  return code === 0 && stdout.trim() !== '' ? (JSON.parse(stdout) as NeighbourRow[]) : [];
}
