// What this host needs to forward packets for its containers: found out once, at start. Firewall programs, sysctls, bridges.
import type { NetworkConfig } from '../../allocator/config/config.ts';
import type { Family } from '../../lib/address.ts';
import { FORWARDING_SYSCTL } from '../../backends/firewall.ts';
import { familiesOf } from '../../backends/address-family.ts';
import { chooseFirewall } from './firewall-policy.ts';
import type { FirewallClientOptions } from '../kernel/firewall/firewall-client.ts';
import { findFirewallTools, type FirewallTools } from '../kernel/firewall/tools.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { ForwardingPolicy } from '../overlay/derive-overlay.ts';
import type { DaemonOptions } from '../options/options.ts';

/** The router that this host is for its containers. */
export interface ForwardingSetup {
  readonly firewall: FirewallClientOptions;
  /** What is done under `config`. */
  choose(config: NetworkConfig): RouterChoice;
}

export type RouterChoice =
  | { readonly ok: true; readonly policy: ForwardingPolicy; readonly warnings: readonly string[] }
  /** One line with the remedy. */
  | { readonly ok: false; readonly message: string };

/** Nothing is done for forwarded packets. */
export const FORWARDING_DISABLED: ForwardingPolicy = {
  firewall: { engine: 'nft', isMasquerading: false, isFullyRandom: false, isForwardAccepted: false },
  setsSysctls: false,
};

/** Asks once which firewall programs this host has. */
export async function detectForwarding(options: DaemonOptions): Promise<ForwardingSetup> {
  return routerWith(options, await findFirewallTools());
}

export function routerWith(options: DaemonOptions, programs: FirewallTools): ForwardingSetup {
  return {
    firewall: { tools: programs, pollMs: options.iptablesResyncSec * 1000 },
    choose: (config) => choose(config, options, programs),
  };
}

/** The policy under `config`, which was found to be possible. */
export function policyFor(router: ForwardingSetup, config: NetworkConfig): ForwardingPolicy {
  const choice = router.choose(config);
  return choice.ok ? choice.policy : FORWARDING_DISABLED;
}

/** With backend alloc, which needs no privilege, only masquerading is done, and only where it is asked for. */
function choose(config: NetworkConfig, options: DaemonOptions, programs: FirewallTools): RouterChoice {
  if (config.backend.type === 'alloc' && !options.ipMasq)
    return { ok: true, policy: FORWARDING_DISABLED, warnings: [] };
  const choice = chooseFirewall(config, options, programs);
  if (!choice.ok) return choice;
  const policy = { firewall: choice.policy, setsSysctls: options.setsSysctls };
  return { ok: true, policy, warnings: choice.warnings };
}

/** What may keep this host from forwarding under `config`, one line each. */
export async function doubtsAbout(
  router: ForwardingSetup,
  kernel: Pick<Kernel, 'readSysctl'>,
  config: NetworkConfig,
): Promise<readonly string[]> {
  const choice = router.choose(config);
  return choice.ok ? [...choice.warnings, ...(await doubtForwarding(kernel, config, choice.policy))] : [];
}

/** Doubts about how the kernel is set up, one line each. */
export async function doubtForwarding(
  kernel: Pick<Kernel, 'readSysctl'>,
  config: NetworkConfig,
  { setsSysctls }: ForwardingPolicy,
): Promise<readonly string[]> {
  const doubts: string[] = [];
  for (const family of familiesOf(config)) {
    if (!setsSysctls && (await isOff(kernel, FORWARDING_SYSCTL[family])))
      doubts.push(
        `This host does not forward IPv${family}, so its containers reach no other host: set ${dotted(FORWARDING_SYSCTL[family])} to 1, or leave --no-sysctl out`,
      );
    const filter = BRIDGE_SYSCTL[family];
    if ((await kernel.readSysctl(filter).catch(() => '')) === undefined)
      doubts.push(
        `No ${dotted(filter)}: bridged packets pass the firewall unseen, so containers of one host may miss address translation of others that want it (Kubernetes services do): modprobe br_netfilter`,
      );
  }
  return doubts;
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
