// Artifacts of weft and flannel in the kernel, the firewall and the files of this host, each with
// its removal. Finds them only. The lease in the registry is no artifact of the host.
import { access, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { prefixLengthOf, type Cidr } from '../../lib/address.ts';
import type { Ownership } from '../../backends/backend.ts';
import type { Native } from '../../native/index.ts';
import { renderObject } from '../../backends/render.ts';
import type { FirewallObject, KernelObject, LinkObject } from '../../backends/kernel-state.ts';
import type { ActualRoute } from '../kernel/actual-state.ts';
import { commandRecordsPath } from '../kernel/commands/command-records.ts';
import { CommandTable, HOST_SUBJECT } from '../kernel/commands/command-table.ts';
import { FirewallTable } from '../kernel/firewall/firewall-table.ts';
import { findFirewallTools } from '../kernel/firewall/tools.ts';
import { runTool, type RunTool } from '../kernel/firewall/run-tool.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { readSubnetFile } from '../subnet-file/subnet-file.ts';

/** Something that weft or flannel made on this host. */
export interface Artifact {
  readonly kind: 'command' | 'policy' | 'device' | 'filter' | 'route' | 'rules' | 'file' | 'node';
  /** For people, one line. */
  readonly name: string;
  /** Resolves with why the removal failed, or `undefined`. Never rejects. */
  remove(): Promise<string | undefined>;
}

type CleanupKernel = Pick<Kernel, 'readInterfaces' | 'readRoutes' | 'readState' | 'apply'>;

/** Names that weft and flannel give devices, and kinds that they make. */
const DEVICE_NAME = /^flannel(?:0|\.\d+|\.ipip|-v6\.\d+|-wg(?:-v6)?(?:\.\d+)?)$/;
const DEVICE_KINDS: ReadonlySet<string> = new Set(['vxlan', 'tun', 'wireguard', 'ipip', 'ip6tnl']);
/**
 * Of pairs, whose ends the kernel removes together: one that joins TCP for the BPF program
 * (native/bpf/join.h), one of a test container (daemon/connectivity/).
 */
const PAIR = /^weft-(?:rj\d+[ab]|ct\d+)$/;
/**
 * A length that no subnet has: inside such networks only routes with weft's protocol number are
 * ours.
 */
const NO_LENGTH = -1;

/**
 * All artifacts in the order of removal: routes before the devices that they lead to.
 * @throws KernelReadError
 */
export async function findArtifacts(
  kernel: CleanupKernel,
  subnetFile: string,
  native: Pick<Native, 'pathFilters'> | undefined,
): Promise<readonly Artifact[]> {
  return [
    ...(await findCommands(subnetFile)),
    ...(await findIpsec(kernel)),
    ...findFilters(native),
    ...(await findRoutes(kernel, subnetFile)),
    ...(await findDevices(kernel)),
    ...(await findRules()),
    ...(await findFiles(subnetFile)),
  ];
}

/** IPsec policies, and connections of a charon that runs. */
async function findIpsec(kernel: CleanupKernel): Promise<readonly Artifact[]> {
  const ownership = { devices: [], networks: [], interface: '', hasIpsec: true };
  // A kernel without IPsec, or a charon of other rights, has nothing that could be removed here.
  const state = await kernel.readState(ownership).catch(() => undefined);
  return [...(state?.objects.values() ?? [])]
    .filter(({ kind }) => kind === 'policy' || kind === 'ike')
    .map((object) => ({
      kind: 'policy',
      name: renderObject(object),
      remove: () => removeObject(kernel, object),
    }));
}

/** What commands of the backend extension made, which other commands of it remove. */
async function findCommands(subnetFile: string): Promise<readonly Artifact[]> {
  const boot = (): Promise<string> => Promise.resolve('');
  const path = commandRecordsPath(subnetFile);
  const table = new CommandTable({ path, boot, onRun: () => undefined, triesOnce: true });
  const found = (await table.list()).filter((object) => object.kind === 'command');
  // Those of the host are undone after those of all peers.
  const isHost = ({ subject }: { readonly subject: string }): boolean => subject === HOST_SUBJECT;
  const ordered = [...found.filter((object) => !isHost(object)), ...found.filter(isHost)];
  return ordered.map((object) => ({
    kind: 'command',
    name: `${object.subject}: ${object.removeCommand === '' ? 'no command removes it' : object.removeCommand}`,
    remove: async () => {
      const [result] = await table.apply([{ action: 'remove', object }]);
      return result?.status === 'done' ? undefined : result?.message;
    },
  }));
}

/** BPF programs that a daemon without TCX links (before Linux 6.6) left behind when it was killed. */
function findFilters(native: Pick<Native, 'pathFilters'> | undefined): readonly Artifact[] {
  const count = native?.pathFilters(false) ?? 0;
  if (count === 0) return [];
  const remove = (): Promise<string | undefined> => {
    native?.pathFilters(true);
    const left = native?.pathFilters(false) ?? 0;
    return Promise.resolve(left === 0 ? undefined : `${left} are left: remove them with tc filter del`);
  };
  return [
    {
      kind: 'filter',
      name: `${count} BPF filter${count === 1 ? '' : 's'} of the packet path (tc filter show)`,
      remove,
    },
  ];
}

async function findDevices(kernel: CleanupKernel): Promise<readonly Artifact[]> {
  const all = await kernel.readInterfaces();
  return all
    .filter(({ name, type }) =>
      type === 'veth' ? PAIR.test(name) : DEVICE_NAME.test(name) && DEVICE_KINDS.has(type),
    )
    .map(({ name, type }) => ({
      kind: 'device',
      name: `${name} (${type}), with all addresses, routes, neighbours and forwarding entries on it`,
      remove: () => removeObject(kernel, { kind: 'link', type: 'vxlan', name } as LinkObject),
    }));
}

/**
 * Routes with weft's protocol number, and inside the network of subnet.env those of flannel's
 * shape.
 */
async function findRoutes(kernel: CleanupKernel, subnetFile: string): Promise<readonly Artifact[]> {
  const routes = await kernel.readRoutes();
  const devices = new Set(routes.filter(({ dev }) => !DEVICE_NAME.test(dev)).map(({ dev }) => dev));
  const networks = await ownNetworks(subnetFile);
  const found = new Map<string, Artifact>();
  for (const dev of ['', ...devices]) {
    const { objects } = await kernel.readState({ devices: [], networks, interface: dev });
    for (const [key, object] of objects)
      if (object.kind === 'route' && !DEVICE_NAME.test(object.dev))
        found.set(key, {
          kind: 'route',
          name: describeRoute(object),
          remove: () => removeObject(kernel, object),
        });
  }
  return [...found.values()];
}

/** A blackhole has no device. */
function describeRoute(route: ActualRoute): string {
  return route.dev === '' ? `${route.destination} ${route.mismatch ?? ''}`.trim() : renderObject(route);
}

async function ownNetworks(subnetFile: string): Promise<Ownership['networks']> {
  const { networks = {}, subnets = {} } = await readSubnetFile(subnetFile);
  const known = (['ipv4', 'ipv6'] as const).flatMap((family) => {
    const [network, subnet] = [networks[family], subnets[family]];
    return network && subnet ? [{ network, subnetLength: prefixLengthOf(subnet) }] : [];
  });
  const anywhere = ['0.0.0.0/0', '::/0'].map((network) => ({
    network: network as Cidr,
    subnetLength: NO_LENGTH,
  }));
  return [...known, ...anywhere];
}

async function removeObject(kernel: CleanupKernel, object: KernelObject): Promise<string | undefined> {
  const [result] = await kernel.apply([{ action: 'remove', object }]);
  return result?.status === 'done' ? undefined : result?.message;
}

/** Rules of nftables and of both variants of iptables: the daemon may have used any of them. */
async function findRules(): Promise<readonly Artifact[]> {
  const tools = await findFirewallTools();
  const defaults = await rulesOf('', new FirewallTable(tools));
  if (tools.iptables === undefined) return defaults;
  const variant = tools.iptables.isLegacy ? 'nft' : 'legacy';
  const run: RunTool = (file, args, input) =>
    runTool(file.replace('tables', `tables-${variant}`), args, input);
  const other = new FirewallTable({ hasNft: false, iptables: tools.iptables, error: '' }, run);
  return [...defaults, ...(await rulesOf(`-${variant}`, other))];
}

async function rulesOf(suffix: string, table: FirewallTable): Promise<readonly Artifact[]> {
  return (await table.read()).map((object) => ({
    kind: 'rules',
    name: describeRules(object, suffix),
    remove: async () => {
      const outcome = await table.apply({ action: 'remove', object });
      return outcome.status === 'done' ? undefined : outcome.message;
    },
  }));
}

function describeRules({ engine, family, name }: FirewallObject, suffix: string): string {
  if (engine === 'nft') return `nftables: table ${family === 4 ? 'ip' : 'ip6'} ${name}`;
  const tool = family === 4 ? 'iptables' : 'ip6tables';
  return `${tool}${suffix}: ${name.replace(' ', '/')} and the rules that jump to it`;
}

async function findFiles(subnetFile: string): Promise<readonly Artifact[]> {
  const [folder, name] = [dirname(subnetFile), basename(subnetFile)];
  const hidden = [
    `.${name}.weft`,
    `.${name}.told`,
    `.${name}.told.weft`,
    `.${name}.commands`,
    `..${name}.commands.weft`,
    `.${name}.nodes`,
    `.${name}.drained`,
    `..${name}.drained.weft`,
    `..${name}.nodes.weft`,
  ].map((each) => join(folder, each));
  const artifacts: Artifact[] = [];
  for (const path of [subnetFile, ...hidden, ...(await findKeyFiles())])
    if (await exists(path)) artifacts.push({ kind: 'file', name: path, remove: () => removeFile(path) });
  return artifacts;
}

/** Folder of flannel's key file of WireGuard; a file that an operator names elsewhere is the operator's. */
const KEY_FOLDER = '/run/flannel';

async function findKeyFiles(): Promise<readonly string[]> {
  const names = await readdir(KEY_FOLDER).catch(() => []);
  return names.filter((name) => /^wgkey(?:\.\d+)?$/.test(name)).map((name) => join(KEY_FOLDER, name));
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function removeFile(path: string): Promise<string | undefined> {
  return rm(path).then(
    () => undefined,
    (error: Error) => error.message,
  );
}
