// Checks whether kube-proxy and the daemon keep their rules in one place each, and the same variant of
// iptables. kube-proxy removes what it left in another mode, but not in the other variant.
import type { Check, Found } from '../check.ts';
import type { Facts } from '../facts.ts';
import { hasChain, variantRules, type Variant } from './iptables-variants.ts';

/** Rules of a program: where they are, and what shows them. */
interface Place {
  readonly mode: string;
  readonly evidence: string;
}

const MODE: Readonly<Record<Variant, string>> = { legacy: 'iptables-legacy', nft: 'iptables-nft' };

async function placesOf(facts: Facts, chain: string): Promise<readonly Place[]> {
  return (await variantRules(facts))
    .filter(({ text }) => hasChain(text, chain))
    .map(({ command, variant }) => ({ mode: MODE[variant], evidence: `${command}: chain ${chain}` }));
}

async function proxyTables(facts: Facts): Promise<readonly Place[]> {
  const tables = (await facts.program('nft', 'list', 'tables'))?.split('\n') ?? [];
  return tables
    .filter((line) => /^table ip6? kube-proxy$/.test(line))
    .map((line) => ({ mode: 'nftables', evidence: `nft list tables: ${line}` }));
}

const modesOf = (places: readonly Place[]): readonly string[] => [...new Set(places.map(({ mode }) => mode))];

export const proxyMode: Check = {
  id: 'proxy-mode',
  about: 'whether rules of kube-proxy exist once, and in the variant of iptables that the daemon uses',
  isAboutKubernetes: true,
  run: async (facts) => {
    const chains = await placesOf(facts, 'KUBE-SERVICES');
    const proxy = [...chains, ...(await proxyTables(facts))];
    if (modesOf(proxy).length > 1) return [leftover(proxy)];
    const own = await placesOf(facts, 'FLANNEL-POSTRTG');
    const isShared = own.some(({ mode }) => modesOf(chains).includes(mode));
    return own.length === 0 || chains.length === 0 || isShared ? [] : [divided([...chains, ...own])];
  },
};

function leftover(places: readonly Place[]): Found {
  return {
    severity: 'warning',
    title: `Rules of kube-proxy exist in more than one mode: ${modesOf(places).join(', ')}`,
    evidence: places.map(({ evidence }) => evidence),
    impact:
      'Connections to services follow rules of a former mode too, which nothing updates: some go to pods that are gone',
    fix: 'restart this node, or remove them there: kube-proxy --cleanup, in the version and with the variant of iptables that made them',
  };
}

function divided(places: readonly Place[]): Found {
  return {
    severity: 'warning',
    title: 'kube-proxy and the daemon use different variants of iptables',
    evidence: places.map(({ evidence }) => evidence),
    impact:
      'Neither sees the rules of the other: which of two masquerades applies is not defined, and what one accepts the other may drop',
    fix: 'set EnableNFTables in the network config, whose rules are in neither variant; or update-alternatives --config iptables',
  };
}
