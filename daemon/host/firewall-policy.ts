// Which program keeps the firewall rules of this host, and which rules the administrator wants. Decides once, at start:
// what the network config says counts, else nftables where it works, else iptables.
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { FirewallPolicy } from '../../backends/firewall-policy.ts';
import type { FirewallTools } from '../kernel/firewall/tools.ts';
import type { DaemonOptions } from '../options/options.ts';

export type FirewallChoice =
  | { readonly ok: true; readonly policy: FirewallPolicy; readonly warnings: readonly string[] }
  /** One line with the remedy. */
  | { readonly ok: false; readonly message: string };

type Wishes = Pick<DaemonOptions, 'ipMasq' | 'ipMasqFullyRandom' | 'iptablesForwardRules'>;

/** Chooses. Without any program forward rules are left out with a warning, masquerading is an error. */
export function chooseFirewall(
  config: NetworkConfig,
  { ipMasq, ipMasqFullyRandom, iptablesForwardRules }: Wishes,
  programs: FirewallTools,
): FirewallChoice {
  const engine = chooseEngine(config, programs);
  const isFullyRandom = ipMasqFullyRandom && (engine === 'nft' || programs.iptables?.hasFullyRandom === true);
  const policy = { engine, isMasquerading: ipMasq, isFullyRandom, isForwardAccepted: iptablesForwardRules };
  if (isThere(engine, programs)) return { ok: true, policy, warnings: [] };
  const isSet = config.enableNftables !== undefined;
  const remedy = isSet
    ? `${NAMES[engine]}, which "EnableNFTables": ${config.enableNftables} of the network config asks for`
    : 'nftables or iptables';
  const lack = `there is no working ${remedy} (${programs.error || 'not installed'})`;
  if (ipMasq)
    return { ok: false, message: `--ip-masq cannot masquerade: ${lack}; install it, or leave the flag out` };
  const nothing = { ...policy, isForwardAccepted: false };
  if (!iptablesForwardRules) return { ok: true, policy: nothing, warnings: [] };
  const warning = `No forward rules: ${lack}; install it, or set --iptables-forward-rules=false`;
  return { ok: true, policy: nothing, warnings: [warning] };
}

const NAMES = { nft: 'nftables', iptables: 'iptables' } as const;

function chooseEngine(
  { enableNftables }: NetworkConfig,
  { hasNft, iptables }: FirewallTools,
): FirewallPolicy['engine'] {
  const isNft = enableNftables ?? (hasNft || iptables === undefined);
  return isNft ? 'nft' : 'iptables';
}

function isThere(engine: FirewallPolicy['engine'], { hasNft, iptables }: FirewallTools): boolean {
  return engine === 'nft' ? hasNft : iptables !== undefined;
}
