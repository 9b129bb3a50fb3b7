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
    const paths = (await findNamespaces(facts)).slice(0, MAX_NAMESPACES);
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
  return (await findNamespaces(facts)).length === (await readNamespaces(facts)).length;
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

/** One file for each namespace but this one: named ones first. */
async function findNamespaces(facts: Facts): Promise<readonly string[]> {
  const own = await inodeOf(facts.path('proc/self/ns/net'));
  const named = await Promise.all(FOLDERS.map((folder) => list(facts, folder)));
  const pids = (await list(facts, 'proc')).filter((path) => /\/\d+$/.test(path));
  const known = new Map<number, string>();
  for (const path of [...named.flat(), ...pids.map((pid) => `${pid}/ns/net`)]) {
    const inode = await inodeOf(path);
    if (inode !== undefined && inode !== own && !known.has(inode)) known.set(inode, path);
  }
  return [...known.values()];
}

async function list(facts: Facts, folder: string): Promise<readonly string[]> {
  const names = await readdir(facts.path(folder)).catch(() => []);
  return names.map((name) => facts.path(`${folder}/${name}`));
}

function inodeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ ino }) => ino,
    () => undefined,
  );
}
