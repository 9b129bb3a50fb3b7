// Containers on a host of a lab as a container runtime makes them: a network namespace each, connected by CNI plugins.
import { join } from 'node:path';
import type { Lab } from '../../lab/lab.ts';
import { packageRoot } from '../../lab/package-root.ts';
import { CniRuntime, type Conflist } from './cni-runtime.ts';
import type { ServingContainer } from './container-network.ts';

const PLUGINS = '/usr/lib/cni';
const BUNDLE = join(packageRoot(), 'dist/weft-cni');
const COMMAND_MS = 60_000;

/** Standard plugins with the host's subnet in their config; they share bridge and addresses with {@link weftConflist}. */
export function bridgeConflist(host: string, subnetEnv: string): Conflist {
  const valueOf = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(subnetEnv)![1]!;
  const subnet = valueOf('FLANNEL_SUBNET').replace(/\.1\//, '.0/');
  const ipam = { type: 'host-local', ranges: [[{ subnet }]], dataDir: addressFolder(host) };
  const bridge = { type: 'bridge', isDefaultGateway: true, mtu: Number(valueOf('FLANNEL_MTU')), ipam };
  return { cniVersion: '1.0.0', name: 'net', plugins: [bridge] };
}

/** weft's plugin, which finds the host's subnet by itself. */
export function weftConflist(lab: Lab, host: string): Conflist {
  const weft = {
    type: 'weft-cni',
    subnetFile: lab.subnetFile(host),
    dataDir: `/run/cni-${host}/data`,
    delegate: { isDefaultGateway: true },
    ipam: { dataDir: addressFolder(host) },
  };
  return { cniVersion: '1.0.0', name: 'net', plugins: [weft] };
}

function addressFolder(host: string): string {
  return `/run/cni-${host}/addresses`;
}

/** Makes a container that serves `www` of a root folder on port 80. */
export async function serveByCni(
  lab: Lab,
  { host, id, conflist, root }: { host: string; id: string; conflist: Conflist; root: string },
): Promise<ServingContainer> {
  await lab.sandbox.check(['ip', 'netns', 'add', id]);
  const runtime = new CniRuntime(conflist, PLUGINS, ({ type, environment, input }) => {
    const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    const file = type === 'weft-cni' ? BUNDLE : join(PLUGINS, type);
    return lab.exec(host, ['env', ...variables, file], { input });
  });
  const { ips } = await runtime.add({ id, netns: `/run/netns/${id}` });
  const run = (argv: readonly string[]) => lab.check(id, ['busybox', ...argv], { timeoutMs: COMMAND_MS });
  await run(['httpd', '-h', `${root}/www`]);
  return { host, address: ips[0]!.address.split('/')[0]!, run };
}
