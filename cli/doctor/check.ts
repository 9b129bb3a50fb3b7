// The parts of `weft doctor`: checks, each of which finds one kind of fault and reports it with
// evidence.
import type { Facts } from './facts.ts';

/** `error`: traffic is lost or will be. `warning`: traffic flows, with a problem. */
export type Severity = 'error' | 'warning';

/** Result of one check; `docs/how-to/find-a-fault.md` has a paragraph for each id. */
export interface Finding {
  readonly check: string;
  /** The peer that found it; unset: this host. */
  readonly host?: string;
  readonly severity: Severity;
  /** One sentence. */
  readonly title: string;
  /** Observations, one line each. */
  readonly evidence: readonly string[];
  /** Its effect on traffic or on the cluster. */
  readonly impact: string;
  /** The command that fixes it, or the steps. */
  readonly fix: string;
}

/** Without `check`, that of the check which found it. */
export type Found = Omit<Finding, 'check'> & Partial<Pick<Finding, 'check'>>;

export interface Check {
  /** For example `path-mtu`. */
  readonly id: string;
  /** What it checks, beginning with whether, what or which. */
  readonly about: string;
  /** Runs only if no other check finds an error. */
  readonly isLastResort?: boolean;
  /** Not run where the Kubernetes API is the registry. */
  readonly isAboutEtcd?: boolean;
  /** Run only there. */
  readonly isAboutKubernetes?: boolean;
  readonly run: (facts: Facts) => Promise<readonly Found[]>;
  /** What it could not test on this host, one line each. */
  readonly notTested?: (facts: Facts) => Promise<readonly string[]>;
}

/** At most `count` lines, and the number of the rest. */
export function truncate(lines: readonly string[], count = 5): readonly string[] {
  return lines.length <= count ? lines : [...lines.slice(0, count), `and ${lines.length - count} more`];
}

/** A peer in evidence: its host name, if it publishes one, and the key of its lease. */
export function labelOf({ key, name }: { readonly key: string; readonly name?: string | undefined }): string {
  return name === undefined ? key : `${name}, ${key}`;
}
