// A fault of the network for `weft doctor` to find: types and shared values of the tables.
import type { Lab } from '../../../lab/lab.ts';

export const CONFIG = '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}';

export interface Fault {
  readonly name: string;
  /** Ids that must be among the findings. */
  readonly finds: readonly string[];
  /** Pattern of the evidence of the first one. */
  readonly evidence: RegExp;
  /** Host of the fault; default h1. */
  readonly host?: string;
  /** Host that runs the doctor; default `host`, or h1 if `host` is no host. */
  readonly runsOn?: string;
  /** Shell commands on `host`, or a function. */
  readonly breaks: string | ((lab: Lab) => Promise<unknown>);
  readonly fixes: string | ((lab: Lab) => Promise<unknown>);
  /** More arguments of the doctor. */
  readonly args?: readonly string[];
}
