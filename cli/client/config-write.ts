// Writes a network config: prints the changes and their impact, asks, writes if the revision is
// unchanged, waits for the hosts. Shared by set, edit and rollback.
import type { IpAddress } from '../../lib/address.ts';
import { userInfo, hostname } from 'node:os';
import type { ConfigStore, ConfigSnapshot } from '../../allocator/registry/config-store.ts';
import { parseNetworkConfig } from '../../allocator/config/config-parse.ts';
import { decodeEntry } from '../../allocator/registry/lease-entry.ts';
import type { Lease } from '../../allocator/lease.ts';
import { planConfigChange, type ConfigChangePlan } from '../../daemon/overlay/config-change.ts';
import { EXIT_FAILURE, EXIT_OK } from '../../daemon/node/exit.ts';
import { askOnTerminal } from './confirm.ts';
import type { ParsedConfigFile } from './config-source.ts';
import { waitForRollout, type NodeRollout } from './rollout.ts';
import { EXIT_FINDINGS } from '../exit-codes.ts';
import { UsageError } from '../usage-error.ts';
import { NO_REVISION, type Revision } from '../../allocator/registry/registry.ts';
import { parseHostReport } from '../../allocator/registry/node-status.ts';
import { printError, printLines, printText } from '../output.ts';

export interface WriteOptions {
  readonly yes: boolean;
  readonly renumber: boolean;
  readonly reason: string | undefined;
  readonly isWaiting: boolean;
  readonly timeoutMs: number;
  /** Of etcd, as far as its endpoints are any. */
  readonly etcdAddresses: readonly IpAddress[];
}

/**
 * Resolves with the exit code. `snapshot` is the state that the change is based on.
 * @throws UsageError if the operator does not confirm.
 */
export async function writeConfig(
  store: ConfigStore,
  snapshot: ConfigSnapshot,
  given: ParsedConfigFile,
  options: WriteOptions,
): Promise<number> {
  const plan = planAgainst(snapshot, given, options.etcdAddresses);
  printLines([...given.warnings, ...describePlan(plan)]);
  if (plan.effect === 'none' && snapshot.config !== undefined) return EXIT_OK;
  if (plan.effect === 'renumbering' && !options.renumber)
    throw new UsageError('The change renumbers hosts; nothing was written. Give --renumber to allow it');
  if (!options.yes && (await askOnTerminal('Write it?')) !== true)
    throw new UsageError('Not confirmed; nothing was written. Without a terminal give --yes');
  const author = `${process.env['SUDO_USER'] ?? userInfo().username}@${hostname()}`;
  const result = await store.write({
    text: given.text,
    expected: snapshot.config?.modRevision ?? NO_REVISION,
    note: { author, timeMs: Date.now(), ...(options.reason !== undefined && { reason: options.reason }) },
    isRenumberingConfirmed: options.renumber,
  });
  if (!result.written) {
    printError(
      'The config changed meanwhile; nothing was written. Check it with weft config get and try again\n',
    );
    return EXIT_FAILURE;
  }
  printText(`Written as revision ${result.revision}\n`);
  if (!options.isWaiting) return EXIT_OK;
  const lines = await untilInterrupted((signal) =>
    waitForRollout(store, result.revision, {
      timeoutMs: options.timeoutMs,
      signal,
      onDone: (line) => printLines([formatNode(line)]),
      onWaiting: (waiting) => printLines([formatWaiting(waiting)]),
    }),
  );
  return printSummary(lines, snapshot.config?.modRevision);
}

/** Ctrl-C ends the wait, and what is written stays. */
async function untilInterrupted<Result>(wait: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const interrupted = new AbortController();
  const onSignal = (): void => {
    printText('\nNot waiting any more; the document is written and hosts go on to follow it\n');
    interrupted.abort();
  };
  process.once('SIGINT', onSignal);
  try {
    return await wait(interrupted.signal);
  } finally {
    process.off('SIGINT', onSignal);
  }
}

/** The changes and their impact. */
export function planAgainst(
  { config, leases, reports }: ConfigSnapshot,
  given: ParsedConfigFile,
  etcdAddresses: readonly IpAddress[],
): ConfigChangePlan {
  const before = config === undefined ? undefined : parseNetworkConfig(config.text);
  const held = leases.flatMap((entry): Lease[] => {
    const decoded = decodeEntry(entry);
    return decoded.ok ? [decoded.lease] : [];
  });
  const mtus = [...reports.values()].map((text) => parseHostReport(text)?.underlayMtu);
  return planConfigChange(before?.ok === true ? before.config : undefined, given.config, held, {
    etcdAddresses,
    underlayMtus: mtus.filter((mtu) => mtu !== undefined),
  });
}

export function describePlan({ changes, consequences, effect }: ConfigChangePlan): readonly string[] {
  if (effect === 'none') return ['Nothing changes'];
  return [...changes.map((line) => `  ${line}`), ...consequences.map((line) => `- ${line}`)];
}

function formatNode({ host, name, key, progress }: NodeRollout): string {
  const reason = 'reason' in progress ? `: ${progress.reason}` : '';
  const called = name === undefined ? '' : `${name.padEnd(15)} `;
  return `  ${called}${host.padEnd(15)} ${key.padEnd(16)} ${progress.state}${reason}`;
}

/** Hosts that one line names; there may be thousands. */
const NAMED_HOSTS = 5;

function formatWaiting(waiting: readonly NodeRollout[]): string {
  const named = waiting.slice(0, NAMED_HOSTS).map(({ host, name }) => name ?? host);
  const more = waiting.length > NAMED_HOSTS ? ` and ${waiting.length - NAMED_HOSTS} more` : '';
  return `  waiting for ${named.join(', ')}${more}`;
}

/** @param before - revision of the document that was replaced; unset for the first. */
function printSummary(lines: readonly NodeRollout[], before: Revision | undefined): number {
  const of = (state: NodeRollout['progress']['state']) =>
    lines.filter(({ progress }) => progress.state === state);
  printLines([...of('waiting'), ...of('unreported')].map(formatNode));
  const total = lines.length - of('unreported').length;
  printText(`${of('followed').length} of ${total} hosts have followed\n`);
  if (of('unreported').length > 0)
    printText(
      `${of('unreported').length} hosts run no weft daemon: start it, or restart flanneld, to apply the config there\n`,
    );
  if (of('followed').length === total) return EXIT_OK;
  if (before !== undefined) printText(`To take it back: weft config rollback ${before}\n`);
  return EXIT_FINDINGS;
}
