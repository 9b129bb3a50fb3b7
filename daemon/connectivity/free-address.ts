// An address of this host's subnet that no container has: from the end of the subnet, where engines come
// to last, unknown to host-local and to the kernel's neighbours, and without an answer to an echo. It is
// chosen at random, so that tests which begin at once rarely choose the same.
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
import { runTool, type RunTool } from '../kernel/firewall/run-tool.ts';
import { Prober } from '../probe/prober.ts';
import { TEST_DEVICE_PREFIX, type LinkRow } from './test-devices.ts';

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
  const others = bridge === undefined ? await testDestinations(links, subnet) : await neighbours(bridge);
  const taken = new Set([...addressesOf(links), ...(await reservations()), ...others]);
  const free = beginAnywhere(candidatesOf(subnet)).filter((address) => !taken.has(address));
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

/** The same in a circle, from a random one on. */
export function beginAnywhere<Item>(items: readonly Item[], random = Math.random): readonly Item[] {
  const start = Math.floor(random() * items.length);
  return [...items.slice(start), ...items.slice(0, start)];
}

/** Addresses of other test containers, which without a bridge have a route each. */
export async function testDestinations(
  links: readonly LinkRow[],
  subnet: Cidr,
  run: RunTool = runTool,
): Promise<readonly string[]> {
  const devices = links.filter(({ ifname }) => ifname.startsWith(TEST_DEVICE_PREFIX));
  const found = await Promise.all(
    devices.map(async ({ ifname }) => {
      const { code, stdout } = await run('ip', [
        '-j',
        `-${familyOf(subnet)}`,
        'route',
        'show',
        'dev',
        ifname,
      ]);
      return code === 0 && stdout.trim() !== '' ? (JSON.parse(stdout) as { readonly dst: string }[]) : [];
    }),
  );
  return found.flat().map(({ dst }) => dst);
}

function addressesOf(links: readonly LinkRow[]): readonly string[] {
  return links.flatMap(({ addr_info = [] }) => addr_info.map(({ local = '' }) => local));
}

/** What CNI's host-local has given away. */
async function reservations(): Promise<readonly string[]> {
  const networks = await readdir(POOLS).catch(() => []);
  return (await Promise.all(networks.map((name) => readdir(`${POOLS}/${name}`).catch(() => [])))).flat();
}

async function neighbours(bridge: string): Promise<readonly string[]> {
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
