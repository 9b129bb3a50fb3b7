// The report of `weft doctor`, which `weft sysdump` includes.
import type { IpAddress } from '../../lib/address.ts';
import type { ControlClient } from '../client/control-client.ts';
import type { EtcdFlags } from '../client/etcd-options.ts';
import { findEtcd } from '../client/etcd-source.ts';
import type { Check, Finding } from './check.ts';
import { Facts } from './facts.ts';
import { CHECKS, listUntested, runChecks } from './run-checks.ts';

/** Output of `weft doctor --json`. */
export interface DoctorV1 {
  readonly version: 1;
  readonly at: string;
  /** Ids of the checks that ran. */
  readonly checks: readonly string[];
  /** Errors first. */
  readonly findings: readonly Finding[];
  /** What these checks could not test here, one line each. */
  readonly notTested: readonly string[];
}

export interface ReportOptions {
  readonly checks?: readonly Check[];
  readonly etcd?: EtcdFlags;
  /** The overlay address whose path is checked; default: an address of each peer. */
  readonly to?: IpAddress | undefined;
  /** Key of the peer whose path is checked. */
  readonly toPeer?: string | undefined;
}

/**
 * Runs checks on this host. The location of etcd comes from `etcd`, the environment or the daemon.
 * @throws UsageError for options of etcd that make no sense.
 */
export async function createReport(
  client: ControlClient,
  { checks = CHECKS, etcd = {}, to, toPeer }: ReportOptions = {},
): Promise<DoctorV1> {
  const found = await findEtcd(client, etcd);
  const facts = new Facts({
    client,
    etcd: found.etcd,
    isEtcdNamed: found.isNamed,
    options: found.daemon,
    to,
    toPeer,
  });
  try {
    const findings = await runChecks(facts, checks);
    const notTested = await listUntested(facts, checks);
    const ids = checks.map(({ id }) => id);
    return { version: 1, at: new Date().toISOString(), checks: ids, findings, notTested };
  } finally {
    facts.close();
  }
}
