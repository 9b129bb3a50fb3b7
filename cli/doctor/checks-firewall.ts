// Checks whether a firewall of this host drops packets of the tunnel or forwarded packets.
import { addressOf, contains, parseCidr, type Cidr } from '../../lib/address.ts';
import { transportOf } from '../../backends/transport.ts';
import { truncate, type Check, type Found } from './check.ts';
import { findDrops } from './firewall/firewall-drops.ts';
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
  run: async (facts) => {
    const found = await findPortDrops(facts);
    const isFollowed =
      (await readJourneys(facts)).length > 0 && (await facts.config)?.backend.type !== 'ipsec';
    return found.length > 0 || isFollowed ? found : findPortRules(facts);
  },
};

/** Where no packet of a tunnel is followed: rules about its ports alone. */
async function findPortRules(facts: Facts): Promise<readonly Found[]> {
  const ports = await portsOf(facts);
  if (ports.length === 0) return [];
  const [iptables = '', nft = ''] = await Promise.all([
    facts.program('iptables-save'),
    facts.program('nft', 'list', 'ruleset'),
  ]);
  const drops = ports.map((port) => [port, findDrops(port, iptables, nft)] as const);
  const evidence = new Set(drops.flatMap(([, lines]) => lines));
  const [port] = drops.find(([, lines]) => lines.length > 0) ?? [];
  if (port === undefined) return [];
  return [
    {
      severity: 'error',
      title: `A firewall of this host drops UDP port ${port}, which the overlay network needs`,
      evidence: truncate([...evidence]),
      impact: 'No packet of containers arrives from other hosts',
      fix: `iptables -I INPUT -p udp --dport ${port} -j ACCEPT  # or the same rule in the firewall's manager`,
    },
  ];
}

/** IKE, and ESP in UDP. */
const IPSEC_PORTS = [500, 4500];

/** UDP ports that packets of the tunnel, or its key exchange, arrive at. */
async function portsOf(facts: Facts): Promise<readonly number[]> {
  const [config, devices] = await Promise.all([facts.config, facts.devices]);
  const backend = config?.backend;
  if (backend?.type === 'ipsec') return IPSEC_PORTS;
  if (backend?.type === 'wireguard') {
    const own = (devices?.devices ?? []).flatMap(({ tunnel }) =>
      tunnel?.type === 'wireguard' ? tunnel.port : [],
    );
    return own.length > 0 ? own : [backend.listenPort];
  }
  if (backend?.type !== 'vxlan' && backend?.type !== 'udp') return [];
  const { port } = transportOf(backend);
  return port === undefined ? [] : [port];
}

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
