// The two programs that can keep a lab's firewall rules, chosen in the network config while the hosts run.
import type { Lab } from '../../lab/lab.ts';
import { waitFor } from '../../lab/wait.ts';
import { shellTest } from './lab-suite.ts';

export const FIREWALL_MODES = ['nftables', 'iptables'] as const;
export type FirewallMode = (typeof FIREWALL_MODES)[number];

const SWITCH_MS = 60_000;
const NFT = 'nft list table ip flannel-ipv4 >/dev/null 2>&1';
const IPTABLES = 'iptables -t nat -S FLANNEL-POSTRTG >/dev/null 2>&1';
const IS_ON: Readonly<Record<FirewallMode, string>> = {
  nftables: `${NFT} && ! ${IPTABLES}`,
  iptables: `${IPTABLES} && ! ${NFT}`,
};

/** Network config of a VXLAN network whose hosts keep their rules by this program. */
export function configWith(mode: FirewallMode): string {
  const EnableNFTables = mode === 'nftables';
  return JSON.stringify({ Network: '10.5.0.0/16', EnableNFTables, Backend: { Type: 'vxlan' } });
}

/** Resolves when all hosts have their rules in the one program, and none in the other. */
export async function switchFirewall(lab: Lab, mode: FirewallMode): Promise<void> {
  await lab.putConfig(configWith(mode));
  for (const { name } of lab.topology.hosts)
    await waitFor(`rules of ${mode} on ${name}`, () => shellTest(lab, name, IS_ON[mode]), SWITCH_MS, 50);
}
