// Containers of this host: network namespaces with an address of its subnet, and how they route.
import { readdir, stat } from 'node:fs/promises';
import { contains, parseIp, type Cidr, type IpAddress } from '../../../lib/address.ts';
import type { ToolOutput } from '../../../daemon/kernel/firewall/run-tool.ts';
import type { Facts } from '../facts.ts';
import type { LinkRow } from '../checks-host.ts';

export interface Namespace {
  /** A file that nsenter(1) takes. */
  readonly path: string;
  readonly links: readonly LinkRow[];
}

export interface Container extends Namespace {
  readonly address: IpAddress;
}

/** Namespaces that are entered; each costs a process. */
const MAX_NAMESPACES = 64;
/** Where ip-netns(8), container runtimes and Docker keep namespaces. */
const FOLDERS = ['run/netns', 'var/run/netns', 'run/docker/netns'];

/** Other network namespaces of this machine, with their devices; none without root. */
export function readNamespaces(facts: Facts): Promise<readonly Namespace[]> {
  return facts.once('namespaces', async () => {
    const { paths: all } = await findNamespaces(facts);
    const paths = all.slice(0, MAX_NAMESPACES);
    const found = await Promise.all(
      paths.map(async (path) => {
        const { code, stdout } = await inNamespace(facts, path, 'ip', '-j', '-d', 'address', 'show');
        return code === 0 && stdout.trim() !== '' ? [{ path, links: JSON.parse(stdout) as LinkRow[] }] : [];
      }),
    );
    return found.flat();
  });
}

/** Whether every namespace of this machine was entered. */
export async function hasSeenAll(facts: Facts): Promise<boolean> {
  const [{ paths, isComplete }, entered] = await Promise.all([findNamespaces(facts), readNamespaces(facts)]);
  return isComplete && paths.length === entered.length;
}

/** Containers with an address of `subnet`. */
export async function readContainers(facts: Facts, subnet: Cidr): Promise<readonly Container[]> {
  return (await readNamespaces(facts)).flatMap((namespace) =>
    namespace.links
      .filter(({ ifname }) => ifname !== 'lo')
      .flatMap(({ addr_info = [] }) => addr_info.map(({ local = '' }) => parseIp(local)))
      .filter((address) => address !== undefined && contains(subnet, address))
      .slice(0, 1)
      .map((address) => ({ ...namespace, address: address! })),
  );
}

/** Runs a program in a namespace. */
export function inNamespace(facts: Facts, path: string, ...argv: readonly string[]): Promise<ToolOutput> {
  return facts.run('nsenter', `--net=${path}`, ...argv);
}

interface Namespaces {
  /** One file for each namespace but this one: named ones first. */
  readonly paths: readonly string[];
  /** Whether nothing was hidden from this process. */
  readonly isComplete: boolean;
}

function findNamespaces(facts: Facts): Promise<Namespaces> {
  return facts.once('namespace files', async () => {
    const own = await inodeOf(facts.path('proc/self/ns/net'));
    const named = await Promise.all(FOLDERS.map((folder) => list(facts, folder)));
    const processes = ((await list(facts, 'proc')) ?? []).filter((path) => /\/\d+$/.test(path));
    const known = new Map<number, string>();
    let isComplete = named.every((paths) => paths !== undefined) && !isHiding(facts, processes);
    for (const path of [
      ...named.flatMap((paths) => paths ?? []),
      ...processes.map((each) => `${each}/ns/net`),
    ]) {
      const inode = await inodeOf(path);
      if (inode === undefined) isComplete = false;
      else if (inode !== GONE && inode !== own && !known.has(inode)) known.set(inode, path);
    }
    return { paths: [...known.values()], isComplete };
  });
}

/** A mount of /proc with `hidepid` lists the processes of this user alone. */
function isHiding(facts: Facts, processes: readonly string[]): boolean {
  return processes.length > 0 && !processes.includes(facts.path('proc/1'));
}

/** Files of a folder; none if it does not exist, `undefined` if it cannot be read. */
async function list(facts: Facts, folder: string): Promise<readonly string[] | undefined> {
  try {
    return (await readdir(facts.path(folder))).map((name) => facts.path(`${folder}/${name}`));
  } catch (error) {
    return isMissing(error) ? [] : undefined;
  }
}

/** Instead of the inode of a file that does not exist. */
const GONE = 0;

/** `undefined` if the file cannot be read. */
function inodeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ ino }) => ino,
    (error: unknown) => (isMissing(error) ? GONE : undefined),
  );
}

/** Also of a process that ended (ESRCH). */
function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ESRCH';
}
