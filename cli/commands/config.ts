// `weft config`: shows, checks and changes the network config in etcd. Connects to etcd without a
// daemon. Where the Kubernetes API is the registry, it shows and checks the file of the ConfigMap.
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyEdits, format } from 'jsonc-parser';
import type { IpAddress } from '../../lib/address.ts';
import { overlapsOf } from '../../daemon/overlay/config-change.ts';
import { networkConfigSchema } from '../../allocator/config/config-schema.ts';
import { redactConfig } from '../../allocator/config/redact-config.ts';
import { PUT_EXAMPLE_CONFIG } from '../../allocator/config/example-config.ts';
import { nearMissRemedy } from '../../allocator/registry/config-near-misses.ts';
import type { ConfigStore, ConfigVersion, ConfigSnapshot } from '../../allocator/registry/config-store.ts';
import { EXIT_FAILURE, EXIT_OK } from '../../daemon/node/exit.ts';
import { checkConfigArgs, CONFIG_VERBS, parseSeconds } from '../args/config-args.ts';
import { defineCommand } from '../command.ts';
import { checkConfig, readSource, type ParsedConfigFile } from '../client/config-source.ts';
import { describePlan, planAgainst, writeConfig, type WriteOptions } from '../client/config-write.ts';
import { endpointAddresses } from '../../daemon/options/etcd-options.ts';
import { SOCKET_OPTION } from '../client/control-client.ts';
import { ETCD_OPTIONS, etcdOptionsOf } from '../client/etcd-options.ts';
import { openConfigStore } from '../client/open-config-store.ts';
import { kubernetesConfigPath, notInEtcd, readKubernetesConfig } from '../client/kubernetes-config.ts';
import { EXIT_FINDINGS } from '../exit-codes.ts';
import { formatTable } from '../format/table.ts';
import { UsageError } from '../usage-error.ts';
import { oneLine, printData, printError, printFile, printLines, printText } from '../output.ts';

const EXAMPLE = '{\n  "Network": "10.5.0.0/16",\n  "Backend": { "Type": "vxlan" }\n}\n';
export const configCommand = defineCommand({
  name: 'config',
  synopsis: [
    'get | history [--json] [etcd options]',
    'set FILE|- [--yes] [--renumber] [--reason TEXT] [--no-wait] [--timeout SECONDS] [etcd options]',
    'edit | rollback REVISION [as set]',
    'validate FILE|- | diff FILE|- | schema',
  ],
  about:
    'Shows, checks and changes the network config in etcd. A new document takes effect on every host at once; set, edit and\n' +
    'rollback wait for the hosts and list those that do not follow. Comments and trailing commas are removed from documents.\n' +
    'Where the Kubernetes API is the registry, get and diff read the file of the ConfigMap, which kubectl changes.',
  verbs: CONFIG_VERBS,
  options: {
    yes: { type: 'boolean', short: 'y', help: 'skip the confirmation' },
    renumber: { type: 'boolean', help: 'allow a change that gives hosts other subnets' },
    reason: { type: 'string', value: 'TEXT', help: 'reason for the history' },
    'no-wait': { type: 'boolean', help: 'do not wait for the hosts' },
    timeout: { type: 'string', value: 'SECONDS', help: 'limit of the wait for the hosts (default: 60)' },
    json: { type: 'boolean', help: 'print the history as JSON' },
    socket: SOCKET_OPTION,
    ...ETCD_OPTIONS,
  },
  examples: [
    ['weft config edit', 'change the document in an editor'],
    ['weft config set net.jsonc --reason "jumbo frames"', 'write a file with a reason'],
    ['weft config diff net.jsonc', 'show the changes of a file'],
    ['weft config rollback 1234 --yes', 'restore a version'],
  ],
  exitCodes: { [EXIT_FINDINGS]: 'written, but not all hosts have followed; diff: there are changes' },
  maxArgs: 2,
  run: async (values, [verb, arg]) => {
    checkConfigArgs(verb, arg);
    if (verb === 'schema') return printDocument(`${JSON.stringify(networkConfigSchema, null, 2)}\n`);
    if (verb === 'validate') return validate(arg!, endpointAddresses(etcdOptionsOf(values)));
    const path = await kubernetesConfigPath(values);
    if (path !== undefined) return runOnFile(path, verb, arg ?? '');
    const timeoutMs = parseSeconds(values.timeout ?? '60') * 1000;
    const { store, key, addresses: etcdAddresses } = await openConfigStore(values);
    const options = {
      yes: values.yes,
      renumber: values.renumber,
      reason: values.reason,
      isWaiting: !values['no-wait'],
      timeoutMs,
      etcdAddresses,
    };
    try {
      return await runOnStore({ store, key, verb, arg: arg ?? '', options, isJson: values.json });
    } finally {
      store.close();
    }
  },
});

interface Task {
  readonly store: ConfigStore;
  readonly key: string;
  readonly verb: string;
  readonly arg: string;
  readonly options: WriteOptions;
  readonly isJson: boolean;
}

async function runOnStore(task: Task): Promise<number> {
  const { store, verb, arg, options } = task;
  if (verb === 'history') return history(task);
  const given = verb === 'set' || verb === 'diff' ? check(await readSource(arg)) : undefined;
  const snapshot = await store.read();
  if (verb === 'get') return printDocument(ended(await requireText(snapshot, task)));
  if (verb === 'rollback') return writeConfig(store, snapshot, await findVersion(store, arg), options);
  if (verb === 'edit') return edit(task, snapshot);
  if (given === undefined) throw new Error(`weft config ${verb} has no action`);
  if (verb === 'set') return writeConfig(store, snapshot, given, options);
  return printPlan(snapshot, given, options.etcdAddresses);
}

async function runOnFile(path: string, verb: string | undefined, arg: string): Promise<number> {
  if (verb !== 'get' && verb !== 'diff') throw notInEtcd(`weft config ${verb}`, path);
  const given = verb === 'diff' ? check(await readSource(arg)) : undefined;
  const snapshot = await readKubernetesConfig(path);
  return given === undefined ? printDocument(ended(snapshot.text)) : printPlan(snapshot, given, []);
}

function printPlan(
  snapshot: ConfigSnapshot,
  given: ParsedConfigFile,
  etcdAddresses: readonly IpAddress[],
): number {
  const plan = planAgainst(snapshot, given, etcdAddresses);
  printLines(describePlan(plan));
  return plan.effect === 'none' ? EXIT_OK : EXIT_FINDINGS;
}

function printDocument(text: string): number {
  printFile(text);
  return EXIT_OK;
}

function ended(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`;
}

/** @throws UsageError naming a key where the document was perhaps put by mistake. */
async function requireText({ config }: ConfigSnapshot, { store, key }: Task): Promise<string> {
  if (config !== undefined) return config.text;
  const [found] = await store.nearMisses();
  const remedy =
    found === undefined ? `write one, for example: ${PUT_EXAMPLE_CONFIG}` : nearMissRemedy(found, key);
  throw new UsageError(`There is no network config at ${key}: ${remedy}`);
}

/** @throws UsageError with every error, one per line. */
function check(source: string): ParsedConfigFile {
  const result = checkConfig(source);
  if (result.ok) return result;
  throw new UsageError(
    `The document is no valid network config; nothing was written\n${result.errors.map(oneLine).join('\n')}`,
  );
}

async function validate(path: string, etcdAddresses: readonly IpAddress[]): Promise<number> {
  const result = checkConfig(await readSource(path));
  printLines(
    result.ok ? [...result.warnings, ...overlapsOf(result.config, [], etcdAddresses)] : result.errors,
  );
  printText(result.ok ? 'The document is valid\n' : 'The document is invalid\n');
  return result.ok ? EXIT_OK : EXIT_FAILURE;
}

async function history({ store, isJson }: Task): Promise<number> {
  const versions = await store.history();
  printData(versions, { json: isJson, indent: 0, text: formatHistory });
  return EXIT_OK;
}

function formatHistory(versions: readonly ConfigVersion[]): string {
  const rows = versions.map(({ modRevision, note, text }) => [
    String(modRevision),
    new Date(note.timeMs).toISOString(),
    note.isExternal === true ? 'unknown (seen then)' : (note.author ?? 'unknown'),
    note.reason ?? '',
    redactConfig(text)
      .replaceAll(/(?:\s|\\[nt])+/g, ' ')
      .slice(0, 80),
  ]);
  return formatTable([['REVISION', 'TIME', 'AUTHOR', 'REASON', 'DOCUMENT'], ...rows]);
}

async function findVersion(store: ConfigStore, arg: string): Promise<ParsedConfigFile> {
  const versions = await store.history();
  const version = versions.find(({ modRevision }) => String(modRevision) === arg);
  if (version !== undefined) return check(version.text);
  const known = versions.map(({ modRevision }: ConfigVersion) => modRevision).join(', ');
  throw new UsageError(`No version has revision ${arg}; there are ${known || 'none'}`);
}

/** Keeps the edited text on errors, so that the operator can correct it. */
async function edit({ store, options }: Task, snapshot: ConfigSnapshot): Promise<number> {
  const editor = editorOf(process.env, process.stdin.isTTY, options.yes);
  const folder = await mkdtemp(join(tmpdir(), 'weft-config-'));
  const path = join(folder, 'config.jsonc');
  const before = toReadable(snapshot.config?.text ?? EXAMPLE);
  let isKept = false;
  try {
    await writeFile(path, ended(before));
    const [program = editor, ...args] = editor.split(' ').filter((part) => part !== '');
    const { status, error } = spawnSync(program, [...args, path], { stdio: 'inherit' });
    if (error !== undefined || status !== 0)
      throw new UsageError(
        `The editor ${editor} ended with ${error?.message ?? `exit code ${status}`}; nothing was written`,
      );
    return await writeConfig(store, snapshot, check(await readFile(path, 'utf8')), options);
  } catch (error) {
    const text = await readFile(path, 'utf8').catch(() => '');
    isKept = text !== '' && text !== ended(before);
    if (isKept) printError(`Your text is in ${path}: weft config set ${path}\n`);
    throw error;
  } finally {
    if (!isKept) await rm(folder, { recursive: true, force: true });
  }
}

/** @throws UsageError without a terminal to edit or confirm on. */
export function editorOf(
  env: Readonly<Record<string, string | undefined>>,
  isTerminal: boolean,
  isConfirmed: boolean,
): string {
  const chosen = env['VISUAL'] || env['EDITOR'];
  if (isTerminal || (chosen !== undefined && isConfirmed)) return chosen || 'vi';
  throw new UsageError(
    'weft config edit needs a terminal; without one: weft config get >net.jsonc, change it, weft config set net.jsonc --yes',
  );
}

/** A document on one line, indented; any other as it is written. */
export function toReadable(text: string): string {
  if (text.trim().includes('\n')) return text;
  return applyEdits(text, format(text, undefined, { insertSpaces: true, tabSize: 2 }));
}
