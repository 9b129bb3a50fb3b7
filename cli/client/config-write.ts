// Writes a network config: shows what it would change and for whom, asks, writes if nobody else did meanwhile, waits for the
// hosts. Shared by set, edit and rollback.
import { userInfo, hostname } from 'node:os';
import { createInterface } from 'node:readline/promises';
import type { ConfigStore, ConfigSnapshot } from '../../allocator/registry/config-store.ts';
import { parseNetworkConfig } from '../../allocator/config/config-parse.ts';
import { decodeEntry } from '../../allocator/registry/lease-entry.ts';
import type { Lease } from '../../allocator/lease.ts';
import { planConfigChange, type ConfigChangePlan } from '../../daemon/overlay/config-change.ts';
import { EXIT_FAILURE, EXIT_OK } from '../../daemon/node/exit.ts';
import type { ParsedConfigFile } from './config-source.ts';
import { waitForHosts, type NodeRollout } from './rollout.ts';
import { EXIT_FINDINGS } from '../exit-codes.ts';
import { UsageError } from '../usage-error.ts';
import { toRevision } from '../../allocator/registry/registry.ts';

export interface WriteOptions {
  readonly yes: boolean;
  readonly renumber: boolean;
  readonly reason: string | undefined;
  readonly isWaiting: boolean;
  readonly timeoutMs: number;
}

/** Resolves with the exit code. `seen` is what the change was made of. @throws UsageError if it was not agreed to. */
export async function writeConfig(
  store: ConfigStore,
  seen: ConfigSnapshot,
  given: ParsedConfigFile,
  options: WriteOptions,
): Promise<number> {
  const plan = planAgainst(seen, given);
  for (const line of [...given.warnings, ...describePlan(plan)]) process.stdout.write(`${line}\n`);
  if (plan.effect === 'none' && seen.config !== undefined) return EXIT_OK;
  if (plan.effect === 'renumbering' && !options.renumber)
    throw new UsageError(
      'It gives hosts other subnets; if that is meant, say --renumber. Nothing was written',
    );
  if (!options.yes && !(await agree()))
    throw new UsageError('Not agreed to; nothing was written. Without a terminal say --yes');
  const author = `${process.env['SUDO_USER'] ?? userInfo().username}@${hostname()}`;
  const result = await store.write({
    text: given.text,
    expected: toRevision(seen.config?.modRevision ?? 0),
    note: { author, timeMs: Date.now(), ...(options.reason !== undefined && { reason: options.reason }) },
    isRenumberingConfirmed: options.renumber,
  });
  if (!result.written) {
    process.stderr.write(
      'Somebody else changed the config meanwhile; nothing was written. Look at it and try again\n',
    );
    return EXIT_FAILURE;
  }
  process.stdout.write(`Written as revision ${result.revision}\n`);
  if (!options.isWaiting) return EXIT_OK;
  const lines = await waitForHosts(store, result.revision, options.timeoutMs, (line) =>
    process.stdout.write(`  ${describeHost(line)}\n`),
  );
  return tellEnd(lines);
}

/** What would become of it. */
export function planAgainst({ config, leases }: ConfigSnapshot, given: ParsedConfigFile): ConfigChangePlan {
  const before = config === undefined ? undefined : parseNetworkConfig(config.text);
  const held = leases.flatMap((entry): Lease[] => {
    const decoded = decodeEntry(entry);
    return decoded.ok ? [decoded.lease] : [];
  });
  return planConfigChange(before?.ok === true ? before.config : undefined, given.config, held);
}

export function describePlan({ changes, consequences, effect }: ConfigChangePlan): readonly string[] {
  if (effect === 'none') return ['Nothing changes'];
  return [...changes.map((line) => `  ${line}`), ...consequences.map((line) => `- ${line}`)];
}

async function agree(): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question('Write it? [y/N] ').finally(() => terminal.close());
  return /^y(?:es)?$/i.test(answer.trim());
}

function describeHost({ host, key, progress }: NodeRollout): string {
  const reason = 'reason' in progress ? `: ${progress.reason}` : '';
  return `${host.padEnd(15)} ${key.padEnd(16)} ${progress.state}${reason}`;
}

function tellEnd(lines: readonly NodeRollout[]): number {
  const of = (state: NodeRollout['progress']['state']) =>
    lines.filter(({ progress }) => progress.state === state);
  for (const line of [...of('waiting'), ...of('silent')]) process.stdout.write(`  ${describeHost(line)}\n`);
  const total = lines.length - of('silent').length;
  process.stdout.write(`${of('followed').length} of ${total} hosts have followed\n`);
  if (of('silent').length > 0)
    process.stdout.write(
      `${of('silent').length} hosts have no daemon of weft: start it, or flanneld again, for them to follow\n`,
    );
  return of('followed').length === total ? EXIT_OK : EXIT_FINDINGS;
}
