// Builds what `topology.ts` plans: namespaces, cables, addresses and routes of a lab, inside its sandbox.
import type { Sandbox } from './sandbox.ts';
import * as plan from './topology.ts';

export async function buildUnderlay(sandbox: Sandbox, topology: plan.Topology): Promise<void> {
  const names = plan.namespacesOf(topology);
  await runIpBatch(
    sandbox,
    undefined,
    names.map((name) => `netns add ${name}`),
  );
  await runIpBatch(sandbox, 'sw', plan.switchCommands(topology));
  await runIpBatch(sandbox, 'etcd', plan.etcdCommands());
  if (topology.hasOutside) await runIpBatch(sandbox, 'out', plan.outsideCommands());
  await enableForwarding(sandbox, 'sw');
  await Promise.all(topology.hosts.map((host) => buildHost(sandbox, topology, host)));
}

/** Runs commands of ip(8) in namespace `netns`, one process for all. */
export async function runIpBatch(
  sandbox: Sandbox,
  netns: string | undefined,
  commands: readonly string[],
): Promise<void> {
  const input = commands.map((line) => `${line}\n`).join('');
  await sandbox.check(['ip', '-batch', '-'], netns, { input });
}

function enableForwarding(sandbox: Sandbox, netns: string): Promise<string> {
  const settings = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'];
  return sandbox.check(['sysctl', '-qw', ...settings], netns);
}

async function buildHost(sandbox: Sandbox, topology: plan.Topology, host: plan.HostPlan): Promise<void> {
  await runIpBatch(sandbox, host.name, plan.underlayCommands(host));
  await enableForwarding(sandbox, host.name);
  if (!topology.hasOffloads) {
    for (const [netns, device] of [
      ['sw', host.name],
      [host.name, 'eth0'],
    ] as const)
      await sandbox.check(['ethtool', '-K', device, ...plan.OFFLOADS_OFF], netns);
  }
  if (topology.hasGro) await sandbox.check(['ethtool', '-K', 'eth0', 'gro', 'on'], host.name);
}
