// Checks of the files in which CNI plugins keep what they gave to containers: addresses of
// host-local, attachments of flannel's plugin and of weft's.
import { readdir, readFile } from 'node:fs/promises';
import { contains, parseIp, prefixLengthOf, type Cidr } from '../../../lib/address.ts';
import { truncate, type Check } from '../check.ts';
import type { Facts } from '../facts.ts';
import { hasSeenAll, readContainers } from './containers.ts';
import { readOwnPaths } from './own-path.ts';
import { shellWord } from '../text/shell-word.ts';

const POOLS = 'var/lib/cni/networks';
const ATTACHMENTS = 'var/lib/cni/flannel';
/** Of a subnet: its own address, the bridge's and the broadcast address. */
const RESERVED = 3;

interface Reservation {
  readonly file: string;
  readonly address: string;
  readonly text: string;
}

/** Addresses of this host's subnet that host-local has given away. */
function readReservations(facts: Facts, subnet: Cidr): Promise<readonly Reservation[]> {
  return facts.once(`reservations ${subnet}`, async () => {
    const networks = await list(facts, POOLS);
    const found = await Promise.all(
      networks.map(async (network) =>
        (await list(facts, `${POOLS}/${network}`)).flatMap((name) => {
          const address = parseIp(name);
          return address !== undefined && contains(subnet, address) ? [{ network, address }] : [];
        }),
      ),
    );
    return Promise.all(
      found.flat().map(async ({ network, address }) => {
        const file = facts.path(`${POOLS}/${network}/${address}`);
        return { file, address, text: await readFile(file, 'utf8').catch(() => '') };
      }),
    );
  });
}

function list(facts: Facts, folder: string): Promise<readonly string[]> {
  return readdir(facts.path(folder)).catch(() => []);
}

const poolFull: Check = {
  id: 'cni-pool-full',
  about: 'whether host-local has an address for the next container',
  run: async (facts) => {
    const path = (await readOwnPaths(facts)).find(({ family }) => family === 4);
    if (path === undefined) return [];
    const reservations = await readReservations(facts, path.subnet);
    const room = 2 ** (32 - prefixLengthOf(path.subnet)) - RESERVED;
    if (reservations.length < room) return [];
    const stale = await findStale(facts, path.subnet, reservations);
    return [
      {
        severity: 'error',
        title: `host-local has given away all ${room} addresses of ${path.subnet}`,
        evidence: [
          `${facts.path(POOLS)}: ${reservations.length} addresses of the subnet`,
          ...(stale.length > 0 ? [`no container has ${stale.length} of them`] : []),
        ],
        impact: 'No further container of this host gets an address',
        fix:
          stale.length > 0
            ? `rm -f ${stale.map(({ file }) => shellWord(file)).join(' ')}  # addresses that no container of this host has`
            : 'remove containers, or give hosts larger subnets ("SubnetLen" in weft config edit)',
      },
    ];
  },
};

/** Reservations whose address no container has, where all containers are known. */
async function findStale(
  facts: Facts,
  subnet: Cidr,
  reservations: readonly Reservation[],
): Promise<readonly Reservation[]> {
  if (!(await hasSeenAll(facts))) return [];
  const containers = await readContainers(facts, subnet);
  const used = new Set(
    containers.flatMap(({ links }) =>
      links.flatMap(({ addr_info = [] }) => addr_info.map(({ local }) => local)),
    ),
  );
  return reservations.filter(({ address }) => !used.has(address));
}

const stateDamaged: Check = {
  id: 'cni-state',
  about: 'whether the files of CNI plugins are whole',
  run: async (facts) => {
    const path = (await readOwnPaths(facts)).find(({ family }) => family === 4);
    const reservations = path === undefined ? [] : await readReservations(facts, path.subnet);
    const empty = reservations.filter(({ text }) => text.trim() === '').map(({ file }) => file);
    const unreadable = await findUnreadable(facts);
    if (empty.length + unreadable.length === 0) return [];
    return [
      {
        severity: 'warning',
        title: 'Files of CNI plugins are damaged',
        evidence: truncate([
          ...empty.map((file) => `${file}: empty, where the id of a container should be`),
          ...unreadable.map((file) => `${file}: no JSON`),
        ]),
        impact: 'An address stays reserved that no removal of a container frees, or such a removal fails',
        fix: `rm -f ${[...empty, ...unreadable].map(shellWord).join(' ')}  # after the containers that still use them are removed`,
      },
    ];
  },
};

async function findUnreadable(facts: Facts): Promise<readonly string[]> {
  const names = (await list(facts, ATTACHMENTS)).filter((name) => !name.startsWith('.'));
  const files = await Promise.all(
    names.map(async (name) => {
      const file = facts.path(`${ATTACHMENTS}/${name}`);
      const text = await readFile(file, 'utf8').catch(() => undefined);
      return text === undefined || isJson(text) ? [] : [file];
    }),
  );
  return files.flat();
}

function isJson(text: string): boolean {
  try {
    return typeof JSON.parse(text) === 'object';
  } catch {
    return false;
  }
}

export const CNI_STATE_CHECKS: readonly Check[] = [poolFull, stateDamaged];
