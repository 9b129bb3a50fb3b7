// Faults of the network for `weft doctor` to find: types and shared values of the tables, and their run.
import assert from 'node:assert/strict';
import type { DoctorV1 } from '../../../cli/doctor/report.ts';
import type { Finding } from '../../../cli/doctor/check.ts';
import type { Lab } from '../../../lab/lab.ts';
import { waitFor } from '../../../lab/wait.ts';

export const CONFIG = '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}';

const TIMEOUT_MS = 60_000;

export interface Fault {
  readonly name: string;
  /** Ids that must be among the findings. */
  readonly finds: readonly string[];
  /** Pattern of the evidence of the first one. */
  readonly evidence: RegExp;
  /** Pattern of its remedy. */
  readonly fix?: RegExp;
  /** Host of the fault; default h1. */
  readonly host?: string;
  /** Host that runs the doctor; default `host`, or h1 if `host` is no host. */
  readonly runsOn?: string;
  /** Shell commands on `host`, or a function. */
  readonly breaks: string | ((lab: Lab) => Promise<unknown>);
  readonly fixes: string | ((lab: Lab) => Promise<unknown>);
  /** More arguments of the doctor. */
  readonly args?: readonly string[];
  /** Command that the doctor runs under. */
  readonly under?: readonly string[];
}

/** What `weft doctor` reports on a host. */
export async function runDoctor(
  lab: Lab,
  host: string,
  args: readonly string[] = [],
  under: readonly string[] = [],
): Promise<DoctorV1 & { code: number }> {
  const argv = [...under, ...lab.environment(host), 'weft', 'doctor', '--json', ...args];
  const { code, stdout, stderr } = await lab.exec(host, argv);
  assert.match(stdout, /^\{/, stderr);
  return { ...(JSON.parse(stdout) as DoctorV1), code };
}

/** Waits until the doctor of a host names the cause; returns that finding. */
export async function waitUntilNamed(
  lab: Lab,
  host: string,
  { finds, args = [], under = [] }: Pick<Fault, 'finds' | 'args' | 'under'>,
): Promise<Finding & { readonly check: string }> {
  let last: DoctorV1 | undefined;
  const isNamed = async (): Promise<boolean> => {
    last = await runDoctor(lab, host, ['--only', finds.join(), ...args], under);
    return finds.every((id) => last?.findings.some(({ check }) => check === id));
  };
  await waitFor(`it to find ${finds.join(' and ')}`, isNamed, TIMEOUT_MS).catch((error: Error) => {
    throw new Error(`${error.message}: ${JSON.stringify(last?.findings, null, 1)}`);
  });
  return last!.findings.find(({ check }) => check === finds[0])!;
}

/** Declares a test for each fault: the doctor names its cause, and the remedy heals the cluster. */
export function describeFaults(
  lab: () => Lab,
  faults: readonly Fault[],
  waitUntilHealthy: () => Promise<unknown>,
): void {
  const run = (step: Fault['breaks'], host: string): Promise<unknown> =>
    typeof step === 'string' ? lab().check(host, ['sh', '-c', step]) : step(lab());
  for (const fault of faults)
    it(`names the cause: ${fault.name}`, async () => {
      const { breaks, fixes, evidence, fix, host = 'h1', runsOn = host } = fault;
      const doctorHost = lab().topology.hosts.some(({ name }) => name === runsOn) ? runsOn : 'h1';
      await run(breaks, host);
      try {
        const first = await waitUntilNamed(lab(), doctorHost, fault);
        assert.match(first.evidence.join('\n'), evidence);
        if (fix !== undefined) assert.match(first.fix, fix);
      } finally {
        await run(fixes, host);
        await waitUntilHealthy();
      }
    });
}
