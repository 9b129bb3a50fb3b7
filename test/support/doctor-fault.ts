// A broken network, for `weft doctor` to name. Types only, and what the tables of them share.
import type { Lab } from '../../lab/lab.ts';

export const CONFIG = '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}';

export interface Fault {
  readonly name: string;
  /** Ids that must be among the findings. */
  readonly finds: readonly string[];
  /** What the evidence of the first one has in it. */
  readonly evidence: RegExp;
  /** Where; default h1. */
  readonly host?: string;
  /** Host that is examined; default `host`, or h1 where that is none. */
  readonly asks?: string;
  /** Shell commands there, or something else. */
  readonly breaks: string | ((lab: Lab) => Promise<unknown>);
  readonly mends: string | ((lab: Lab) => Promise<unknown>);
  /** Further words of the command, and only then. */
  readonly words?: readonly string[];
}
