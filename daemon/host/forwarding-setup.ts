// Forwarding of container traffic: which firewall tools, sysctls and bridge filters this host has.
// Detected once, at start.
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { Family } from '../../lib/address.ts';
import { FORWARDING_SYSCTL } from '../../backends/firewall/firewall.ts';
import { familiesOf } from '../../backends/address-family.ts';
import type { FirewallPolicy } from '../../backends/firewall/firewall-policy.ts';
import { chooseFirewall, type FirewallFlags } from './firewall-policy.ts';
import type { FirewallClientOptions } from '../kernel/firewall/firewall-client.ts';
import { findFirewallTools, type FirewallTools } from '../kernel/firewall/tools.ts';
import type { Kernel } from '../kernel/kernel.ts';

/** The options that forwarding depends on. */
export interface ForwardingOptions extends FirewallFlags {
  /** Whether the daemon may enable forwarding. */
  readonly setsSysctls: boolean;
  readonly iptablesResyncSec: number;
}

/** What this host does for forwarded packets, with every backend. */
export interface ForwardingPolicy {
  readonly firewall: FirewallPolicy;
  /** Whether the daemon enables forwarding. */
  readonly setsSysctls: boolean;
}

/** The forwarding that this host supports. */
export interface ForwardingSetup {
  readonly firewall: FirewallClientOptions;
  /** The policy under `config`. */
  choose(config: NetworkConfig): ForwardingChoice;
}

export type ForwardingChoice =
  | { readonly ok: true; readonly policy: ForwardingPolicy; readonly warnings: readonly string[] }
  /** One line with the remedy. */
  | { readonly ok: false; readonly message: string };

/** No firewall rules and no sysctls. */
export const FORWARDING_DISABLED: ForwardingPolicy = {
  firewall: { engine: 'nft', isMasquerading: false, isFullyRandom: false, isForwardAccepted: false },
  setsSysctls: false,
};

/** Detects the firewall tools of this host. */
export async function detectForwarding(options: ForwardingOptions): Promise<ForwardingSetup> {
  return forwardingWith(options, await findFirewallTools());
}

export function forwardingWith(options: ForwardingOptions, programs: FirewallTools): ForwardingSetup {
  return {
    firewall: { tools: programs, pollMs: options.iptablesResyncSec * 1000 },
    choose: (config) => choose(config, options, programs),
  };
}

/** The policy under `config`, which was checked before. */
export function policyFor(router: ForwardingSetup, config: NetworkConfig): ForwardingPolicy {
  const choice = router.choose(config);
  return choice.ok ? choice.policy : FORWARDING_DISABLED;
}

/** Backend alloc needs no privilege: it gets firewall rules only with --ip-masq. */
function choose(
  config: NetworkConfig,
  options: ForwardingOptions,
  programs: FirewallTools,
): ForwardingChoice {
  if (config.backend.type === 'alloc' && !options.ipMasq)
    return { ok: true, policy: FORWARDING_DISABLED, warnings: [] };
  const choice = chooseFirewall(config, options, programs);
  if (!choice.ok) return choice;
  const policy = { firewall: choice.policy, setsSysctls: options.setsSysctls };
  return { ok: true, policy, warnings: choice.warnings };
}

/** Conditions that may prevent forwarding under `config`, one line each. */
export async function forwardingWarnings(
  router: ForwardingSetup,
  kernel: Pick<Kernel, 'readSysctl'>,
  config: NetworkConfig,
): Promise<readonly string[]> {
  const choice = router.choose(config);
  return choice.ok ? [...choice.warnings, ...(await checkForwarding(kernel, config, choice.policy))] : [];
}

/** Warnings about the kernel's sysctls, one line each. */
export async function checkForwarding(
  kernel: Pick<Kernel, 'readSysctl'>,
  config: NetworkConfig,
  { setsSysctls }: ForwardingPolicy,
): Promise<readonly string[]> {
  const warnings: string[] = [];
  for (const family of familiesOf(config)) {
    if (!setsSysctls && (await isOff(kernel, FORWARDING_SYSCTL[family])))
      warnings.push(
        `This host does not forward IPv${family}, so containers reach no other host: set ${dotted(FORWARDING_SYSCTL[family])} to 1, or leave --no-sysctl out`,
      );
    const filter = BRIDGE_SYSCTL[family];
    if ((await kernel.readSysctl(filter).catch(() => '')) === undefined)
      warnings.push(
        `No ${dotted(filter)}: bridged packets bypass the firewall, so containers of one host may miss address translation (Kubernetes services need it): modprobe br_netfilter`,
      );
  }
  return warnings;
}

const BRIDGE_SYSCTL: Readonly<Record<Family, string>> = {
  4: 'net/bridge/bridge-nf-call-iptables',
  6: 'net/bridge/bridge-nf-call-ip6tables',
};

async function isOff(kernel: Pick<Kernel, 'readSysctl'>, path: string): Promise<boolean> {
  return (await kernel.readSysctl(path).catch(() => undefined)) === '0';
}

function dotted(path: string): string {
  return path.replaceAll('/', '.');
}
