// Checks of the input of container engines: subnet.env.
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseSubnetEnv } from '../../daemon/subnet-file/subnet-env.ts';
import type { Check } from './check.ts';
import type { Facts } from './facts.ts';
import { shellWord } from './text/shell-word.ts';

const subnetFile: Check = {
  id: 'subnet-file',
  about: 'whether subnet.env matches the lease, and its file system has space',
  run: async (facts) => {
    const status = await facts.status;
    const path = facts.options?.options['subnetFile'];
    if (typeof path !== 'string' || status?.lease?.state !== 'held') return [];
    const problem =
      (await describeSubnetFile(facts, path, status.lease.ipv4, status.network?.mtu)) ??
      (await describeSpace(facts, path));
    if (problem === undefined) return [];
    return [
      {
        severity: 'error',
        title: `${path} does not hold this host’s subnet`,
        evidence: [`${path}: ${problem}`],
        impact: 'Engines and CNI plugins give containers wrong addresses, or none',
        fix: `ls -ld ${shellWord(path)} ${shellWord(dirname(path))}; df ${shellWord(dirname(path))}; remove the cause; the daemon then writes the file again`,
      },
    ];
  },
};

async function describeSubnetFile(
  facts: Facts,
  path: string,
  subnet?: string,
  mtu?: number,
): Promise<string | undefined> {
  const text = await facts.file(path.replace(/^\//, ''));
  if (text === undefined) return 'missing or unreadable';
  const { subnets } = parseSubnetEnv(text);
  if (subnets?.ipv4 !== subnet)
    return `it has ${subnets?.ipv4 ?? 'no subnet'}, the lease is ${subnet ?? 'without IPv4'}`;
  const written = /^FLANNEL_MTU=(\d+)/m.exec(text)?.[1];
  return mtu === undefined || written === String(mtu)
    ? undefined
    : `it has MTU ${written}, the overlay ${mtu}`;
}

async function describeSpace(facts: Facts, path: string): Promise<string | undefined> {
  const fileSystem = await statfs(facts.path(dirname(path))).catch(() => undefined);
  return fileSystem !== undefined && fileSystem.blocks > 0 && fileSystem.bavail === 0
    ? 'its file system is full'
    : undefined;
}

export const ENGINE_CHECKS: readonly Check[] = [subnetFile];
