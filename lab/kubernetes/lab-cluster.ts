// What a lab with `--kubernetes` has beside its hosts: an API server on the lab's etcd, a Node with pod
// CIDRs for each host, as kube-controller-manager gives them, and the network config in one file.
import { writeFile } from 'node:fs/promises';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import { parseNetworkConfig } from '../../allocator/config/config-parse.ts';
import { addressOf, addToAddress, bitsOf, isInside, type Cidr } from '../../lib/address.ts';
import { INSIDE } from '../daemon-command.ts';
import type { Lab } from '../lab.ts';
import { ADMIN_TOKEN, apiServerProgram, KUBECONFIG } from './api-server.ts';
import { realServer } from './lab-api-server.ts';

const CONFIG_FILE = `${INSIDE}/net-conf.json`;

/** Flags of every daemon of such a lab. */
export const KUBERNETES_FLAGS: readonly string[] = [
  '--kube-subnet-mgr',
  `--net-config-path=${CONFIG_FILE}`,
  `--kubeconfig-file=${KUBECONFIG}`,
];

/** @throws Error, with the remedy, on a machine without kube-apiserver. */
export function requireApiServer(): void {
  apiServerProgram();
}

/**
 * Starts all of a lab that has nothing but its hosts yet. `config` is a valid network config.
 * @throws RangeError if it has too few pod CIDRs
 */
export async function startKubernetes(lab: Lab, config: string): Promise<void> {
  const hosts = lab.topology.hosts.map(({ name }) => name);
  const nodes = hosts.map((name, index) => nodeOf(name, podCidrsOf(config, index + 1)));
  const server = realServer(lab);
  await server.start();
  await writeFile(lab.sandbox.outside(CONFIG_FILE), config);
  const argv = [...server.environment, process.execPath, '-e', POST_ALL, `${server.url}/api/v1/nodes`];
  await lab.check('etcd', ['env', ...argv, ADMIN_TOKEN], { input: JSON.stringify(nodes) });
  const running = lab.topology.hosts.filter(({ isBare }) => !isBare).map(({ name }) => name);
  await Promise.all(running.map((name) => lab.startDaemon(name)));
  await Promise.all(running.map((name) => lab.attachContainer(name)));
}

/** Creates the objects of standard input, a list, at a URL with a token. */
const POST_ALL = `
const [url, token] = process.argv.slice(1);
const headers = { 'content-type': 'application/json', authorization: 'Bearer ' + token };
let text = '';
process.stdin.on('data', (part) => (text += part)).on('end', async () => {
  for (const object of JSON.parse(text)) {
    const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(object) });
    if (!answer.ok) throw new Error(await answer.text());
  }
});`;

function nodeOf(name: string, podCIDRs: readonly string[]): object {
  const spec = { podCIDR: podCIDRs[0], podCIDRs };
  return { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec };
}

/** As kube-controller-manager cuts them. */
const SIZES = { ipv4: { length: 24, family: 4 }, ipv6: { length: 64, family: 6 } } as const;

/** One of each family of a network config, for the host of a number from 1. @throws RangeError */
export function podCidrsOf(config: string, number: number): string[] {
  const parsed = parseNetworkConfig(config);
  return parsed.ok
    ? (['ipv4', 'ipv6'] as const).flatMap((family) => nthCidr(parsed.config, family, number))
    : [];
}

function nthCidr(config: NetworkConfig, name: keyof typeof SIZES, number: number): string[] {
  const { network } = config[name] ?? {};
  if (network === undefined) return [];
  const { family, length } = SIZES[name];
  const step = 1n << BigInt(bitsOf(family) - length);
  const cidr = `${addToAddress(addressOf(network), BigInt(number) * step)}/${length}`;
  if (!isInside(cidr as Cidr, network))
    throw new RangeError(`${network} has no pod CIDR for h${number}: give fewer --hosts or a larger network`);
  return [cidr];
}
