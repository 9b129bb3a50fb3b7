// The report of `weft doctor`, which `weft sysdump` includes.
import type { ControlClient } from '../client/control-client.ts';
import type { EtcdFlags } from '../client/etcd-options.ts';
import { findEtcd } from '../client/etcd-source.ts';
import type { Check, Finding } from './check.ts';
import { Facts } from './facts.ts';
import { CHECKS, runChecks } from './run-checks.ts';

/** Output of `weft doctor --json`. */
export interface DoctorV1 {
  readonly version: 1;
  readonly at: string;
  /** Ids of the checks that ran. */
  readonly checks: readonly string[];
  /** Errors first. */
  readonly findings: readonly Finding[];
}

/**
 * Runs checks on this host. The location of etcd comes from `etcd`, the environment or the daemon.
 * @throws UsageError for options of etcd that make no sense.
 */
export async function createReport(
  client: ControlClient,
  checks: readonly Check[] = CHECKS,
  etcd: EtcdFlags = {},
): Promise<DoctorV1> {
  const found = await findEtcd(client, etcd);
  const facts = new Facts({ client, etcd: found.etcd, isEtcdNamed: found.isNamed, options: found.daemon });
  try {
    const findings = await runChecks(facts, checks);
    return { version: 1, at: new Date().toISOString(), checks: checks.map(({ id }) => id), findings };
  } finally {
    facts.close();
  }
}
