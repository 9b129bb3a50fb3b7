// Chooses the firewall engine and its rules, once, at start: the engine of the network config, else
// nftables if it works, else iptables.
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { FirewallPolicy } from '../../backends/firewall/firewall-policy.ts';
import type { FirewallTools } from '../kernel/firewall/tools.ts';

export type FirewallChoice =
  | { readonly ok: true; readonly policy: FirewallPolicy; readonly warnings: readonly string[] }
  /** One line with the remedy. */
  | { readonly ok: false; readonly message: string };

/** The flags of firewall rules. */
export interface FirewallFlags {
  readonly ipMasq: boolean;
  readonly ipMasqFullyRandom: boolean;
  readonly iptablesForwardRules: boolean;
}

/**
 * Chooses engine and rules. Without a working engine, forward rules are omitted with a warning and
 * masquerading is an error.
 */
export function chooseFirewall(
  config: NetworkConfig,
  { ipMasq, ipMasqFullyRandom, iptablesForwardRules }: FirewallFlags,
  programs: FirewallTools,
): FirewallChoice {
  const engine = chooseEngine(config, programs);
  const isFullyRandom = ipMasqFullyRandom && (engine === 'nft' || programs.iptables?.hasFullyRandom === true);
  const policy = { engine, isMasquerading: ipMasq, isFullyRandom, isForwardAccepted: iptablesForwardRules };
  if (isAvailable(engine, programs)) return { ok: true, policy, warnings: [] };
  const isSet = config.enableNftables !== undefined;
  const engineName = isSet
    ? `${NAMES[engine]}, which "EnableNFTables": ${config.enableNftables} of the network config asks for`
    : 'nftables or iptables';
  const missing = `there is no working ${engineName} (${programs.error || 'not installed'})`;
  if (ipMasq)
    return {
      ok: false,
      message: `--ip-masq cannot masquerade: ${missing}; install it, or leave the flag out`,
    };
  const nothing = { ...policy, isForwardAccepted: false };
  if (!iptablesForwardRules) return { ok: true, policy: nothing, warnings: [] };
  const warning = `No forward rules: ${missing}; install it, or set --iptables-forward-rules=false`;
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

function isAvailable(engine: FirewallPolicy['engine'], { hasNft, iptables }: FirewallTools): boolean {
  return engine === 'nft' ? hasNft : iptables !== undefined;
}
