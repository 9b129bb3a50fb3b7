// Devices of this host as ip(8) shows them, and what test containers left of them: a device is named by
// the process of its agent, and is a leftover once that process is gone.
import { existsSync } from 'node:fs';
import { runTool } from '../kernel/firewall/run-tool.ts';

/** In front of the process id; 15 characters with the largest one. */
export const TEST_DEVICE_PREFIX = 'weft-ct';
const TEST_DEVICE = /^weft-ct(\d+)$/;

export interface LinkRow {
  readonly ifname: string;
  readonly flags: readonly string[];
  /** MAC address. */
  readonly address?: string;
  readonly mtu?: number;
  readonly linkinfo?: { readonly info_kind?: string };
  readonly addr_info?: readonly { readonly local?: string; readonly scope?: string }[];
}

/** @throws Error without ip(8) */
export async function readLinks(device?: string): Promise<readonly LinkRow[]> {
  const args = ['-j', '-d', 'address', 'show', ...(device === undefined ? [] : ['dev', device])];
  const { code, stdout, stderr } = await runTool('ip', args);
  if (code === 127) throw new Error('ip(8) of iproute2 is missing');
  if (code !== 0) throw new Error(stderr.trim());
  return JSON.parse(stdout.trim() === '' ? '[]' : stdout) as LinkRow[];
}

/** Runs lines of `ip -batch`. @throws Error with what ip(8) prints */
export async function ip(lines: readonly string[]): Promise<void> {
  const { code, stderr } = await runTool('ip', ['-batch', '-'], `${lines.join('\n')}\n`);
  if (code !== 0) throw new Error(`ip: ${stderr.trim().split('\n')[0]}`);
}

/** Removes devices whose agent is gone. @returns the others. */
export async function removeLeftovers(
  links: readonly LinkRow[],
  isRunning: (pid: string) => boolean = (pid) => existsSync(`/proc/${pid}`),
): Promise<readonly LinkRow[]> {
  const left = links.filter(({ ifname }) => {
    const pid = TEST_DEVICE.exec(ifname)?.[1];
    return pid !== undefined && !isRunning(pid);
  });
  // The kernel may have removed it meanwhile.
  for (const { ifname } of left) await runTool('ip', ['link', 'delete', ifname]);
  return links.filter((link) => !left.includes(link));
}
