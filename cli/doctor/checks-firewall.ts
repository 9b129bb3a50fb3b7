// Checks whether a firewall of this host drops packets of the tunnel or forwarded packets.
import { addressOf, contains, parseCidr, type Cidr } from '../../lib/address.ts';
import type { Check, Found } from './check.ts';
import type { Facts } from './facts.ts';
import { forwardRules, variantRules } from './firewall/iptables-variants.ts';
import { findForwardDrops, findPortDrops, listUnreadRules } from './path/firewall-checks.ts';
import { readJourneys } from './path/journeys.ts';
import { proxyMode } from './firewall/proxy-mode.ts';

const forwardDrop: Check = {
  id: 'forward-drop',
  about: 'whether a firewall drops forwarded packets of containers',
  run: async (facts) => {
    const journeys = await readJourneys(facts);
    // Without a peer there is no packet to follow, and the policies remain.
    return journeys.length > 0 ? findForwardDrops(facts) : findClosedPolicy(facts);
  },
  notTested: listUnreadRules,
};

async function findClosedPolicy(facts: Facts): Promise<readonly Found[]> {
  const network = (await facts.status)?.network?.ipv4;
  if (network === undefined) return [];
  const dropping = (await forwardPolicies(facts)).find(
    ({ rules }) =>
      rules.some((rule) => /^-P FORWARD (?:DROP|REJECT)/.test(rule)) &&
      !rules.some((rule) => acceptsForward(rule, network as Cidr)),
  );
  if (dropping === undefined) return [];
  const { command, program } = dropping;
  return [
    {
      severity: 'error',
      title: 'The firewall of this host drops forwarded packets of containers',
      evidence: [`${command}: -P FORWARD DROP`, `no rule accepts ${network}`],
      impact: 'Containers of this host reach no other host, and no other host reaches them',
      fix: `${program === 'iptables' ? 'start the daemon without --iptables-forward-rules=false, or: ' : ''}${program} -A FORWARD -s ${network} -j ACCEPT; ${program} -A FORWARD -d ${network} -j ACCEPT`,
    },
  ];
}

interface ForwardPolicy {
  readonly program: string;
  /** What printed the rules. */
  readonly command: string;
  readonly rules: readonly string[];
}

/** Of the iptables that the daemon uses, and of both variants: the kernel asks all that exist. */
async function forwardPolicies(facts: Facts): Promise<readonly ForwardPolicy[]> {
  const own = (await facts.program('iptables', '-S', 'FORWARD'))?.split('\n') ?? [];
  const variants = (await variantRules(facts)).filter(({ isIpv6 }) => !isIpv6);
  return [
    { program: 'iptables', command: 'iptables -S FORWARD', rules: own },
    ...variants.map(({ command, text, variant }) => ({
      program: `iptables-${variant}`,
      command,
      rules: forwardRules(text),
    })),
  ];
}

const portDropped: Check = {
  id: 'port-dropped',
  about: 'whether a firewall of this host drops the packets of the tunnel',
  run: findPortDrops,
};

/** Whether a rule of FORWARD lets packets of the network pass. */
export function acceptsForward(rule: string, network: Cidr): boolean {
  if (!/^-A FORWARD .*-j (?:FLANNEL-FWD|ACCEPT)$/.test(rule)) return false;
  if (rule.endsWith('-j FLANNEL-FWD')) return true;
  if (/ -[iop] | !/.test(rule) || rule.includes('state')) return false;
  const ranges = [...rule.matchAll(/ -[sd] (\S+)/g)].map(([, range]) => range!);
  return ranges.every(
    (range) => parseCidr(range) !== undefined && contains(range as Cidr, addressOf(network)),
  );
}

export const FIREWALL_CHECKS: readonly Check[] = [forwardDrop, portDropped, proxyMode];
