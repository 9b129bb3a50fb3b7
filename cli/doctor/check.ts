// What `weft doctor` is made of: checks, each of which looks at one thing that can be wrong and tells it with evidence.
import type { Facts } from './facts.ts';

/** `error`: traffic is lost or will be. `warning`: it flows, but something is not as it should be. */
export type Severity = 'error' | 'warning';

/** What one check found; `docs/how-to/find-a-fault.md` has a paragraph for each id. */
export interface Finding {
  readonly check: string;
  readonly severity: Severity;
  /** One sentence. */
  readonly title: string;
  /** What was looked at and seen, one line each. */
  readonly evidence: readonly string[];
  /** What that costs. */
  readonly impact: string;
  /** The command that mends it, or what to do. */
  readonly fix: string;
}

export type Found = Omit<Finding, 'check'>;

export interface Check {
  /** For example `path-mtu`. */
  readonly id: string;
  /** What it looks at, in a few words. */
  readonly about: string;
  /** Only asked if no other check found an error. */
  readonly isLastResort?: boolean;
  readonly run: (facts: Facts) => Promise<readonly Found[]>;
}

/** At most `count` lines, and how many there are besides. */
export function truncate(lines: readonly string[], count = 5): readonly string[] {
  return lines.length <= count ? lines : [...lines.slice(0, count), `and ${lines.length - count} more`];
}
