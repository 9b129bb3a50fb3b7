// Rules of both variants of iptables. The kernel runs them side by side, and each variant prints its
// own alone.
import type { Facts } from '../facts.ts';

export type Variant = 'legacy' | 'nft';

export interface VariantRules {
  readonly variant: Variant;
  readonly isIpv6: boolean;
  /** What printed them, for example `iptables-legacy-save`. */
  readonly command: string;
  readonly text: string;
}

const COMMANDS = (['iptables', 'ip6tables'] as const).flatMap((tool) =>
  (['legacy', 'nft'] as const).map((variant) => ({
    variant,
    isIpv6: tool === 'ip6tables',
    command: `${tool}-${variant}-save`,
  })),
);

/**
 * Of the variants that are installed. Without -t, as iptables-legacy-save would create the table that it
 * is asked for.
 */
export async function variantRules(facts: Facts): Promise<readonly VariantRules[]> {
  const texts = await Promise.all(COMMANDS.map(({ command }) => facts.program(command)));
  return COMMANDS.flatMap((one, index) => {
    const text = texts[index];
    return text === undefined ? [] : [{ ...one, text }];
  });
}

export function hasChain(text: string, chain: string): boolean {
  return text.includes(`\n:${chain} `);
}
