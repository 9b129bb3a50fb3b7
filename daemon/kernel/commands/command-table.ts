// Commands of the backend extension as a table of the kernel: to set an object runs its command, to
// remove it runs the other one, and what ran is on record. Commands of peers run side by side, those
// of the host before the first and after the last of them.
//
//   absent ──set──► recorded ──add──ok──► done ──remove──► absent
//                       ▲                  │ differs: remove, then add
//                       └──────failed──────┘
import type { CommandObject } from '../../../backends/kernel-state.ts';
import { escapeControls } from '../../../lib/escape.ts';
import { startProcessGroup, type ProcessGroup, type RunEnd } from '../../../lib/process-group.ts';
import type { ActualObject } from '../actual-state.ts';
import type { Step, StepResult } from '../kernel.ts';
import { DONE, type Outcome } from '../netlink/outcome.ts';
import { commandArgs, commandEnvironment } from './command-line.ts';
import {
  CommandRecords,
  type CommandOutput,
  type CommandRecord,
  type CommandRecordsOptions,
} from './command-records.ts';

/** A command that ended. */
export interface CommandRun {
  /** As in the network config: `SubnetAddCommand`. */
  readonly setting: string;
  readonly subject: string;
  readonly end: RunEnd;
  readonly ms: number;
  /** The same as that of the last run. */
  readonly isRepeated: boolean;
}

export interface CommandTableOptions extends CommandRecordsOptions {
  /** Called at the end of each run. */
  readonly onRun: (run: CommandRun) => void;
  /** Longest run, in ms; default 30 s. */
  readonly timeoutMs?: number;
  /** Nothing is tried again, so nothing waits for another try. */
  readonly triesOnce?: boolean;
}

export type CommandStep = Step & { readonly object: CommandObject };

const TIMEOUT_MS = 30_000;
/** Commands of peers at one time. */
const CONCURRENCY = 8;
/** A removal that fails as often is given up: what it is to remove may be gone. */
const MAX_REMOVALS = 5;
/** Characters of output that become backend data. etcd takes 1.5 MiB a request. */
const MAX_STARTUP_OUTPUT = 65_536;
const MAX_REASON_CHARACTERS = 200;

export class CommandTable {
  readonly #options: CommandTableOptions;
  readonly #records: CommandRecords;
  readonly #running = new Set<ProcessGroup>();
  readonly #lastFailures = new Map<string, string>();
  #isClosed = false;

  constructor(options: CommandTableOptions) {
    this.#options = options;
    this.#records = new CommandRecords(options);
  }

  /** What ran, or may have run in part. */
  async list(): Promise<readonly ActualObject[]> {
    await this.#records.load();
    return [...this.#records.bySubject.values()].map(toObject);
  }

  /** One result a step, in order. Never rejects. */
  async apply(steps: readonly CommandStep[]): Promise<StepResult[]> {
    await this.#records.load();
    const outcomes = new Map<CommandStep, Outcome>();
    const runAll = async (some: readonly CommandStep[]): Promise<void> => {
      const queue = some[Symbol.iterator]();
      const work = async (): Promise<void> => {
        for (const step of queue) outcomes.set(step, await this.#applyOne(step));
      };
      await Promise.all(Array.from({ length: CONCURRENCY }, work));
    };
    const ofHost = (action: Step['action']): readonly CommandStep[] =>
      steps.filter((step) => step.object.subject === HOST_SUBJECT && step.action === action);
    await runAll(ofHost('set'));
    await runAll(steps.filter(({ object }) => object.subject !== HOST_SUBJECT));
    await runAll(ofHost('remove'));
    return steps.map((step) => ({ step, ...(outcomes.get(step) ?? DONE) }));
  }

  /** The output of the command of `command`, which runs once until the host's commands are removed. */
  async runStartup(command: CommandObject): Promise<CommandOutput> {
    await this.#records.load();
    const { startup } = this.#records;
    if (startup !== undefined && isSame(startup.command, command))
      return { ok: true, output: startup.output };
    const end = await this.#run(command, 'PreStartupCommand', command.addCommand);
    if (end.outcome !== 'ok') return { ok: false, message: describe('PreStartupCommand', end) };
    this.#records.startup = { command, output: end.output };
    const failure = await this.#save();
    return failure === undefined ? { ok: true, output: end.output } : { ok: false, message: failure };
  }

  /** Ends the commands that run. */
  close(): void {
    this.#isClosed = true;
    for (const group of this.#running) void group.end();
  }

  async #applyOne(step: CommandStep): Promise<Outcome> {
    if (this.#isClosed) return { status: 'unknown', message: 'the daemon stops' };
    return step.action === 'set' ? this.#set(step.object) : this.#remove(step.object);
  }

  async #set(want: CommandObject): Promise<Outcome> {
    const { bySubject } = this.#records;
    const have = bySubject.get(want.subject);
    if (have?.isDone === true) {
      if (isSame(have, { ...want, removeCommand: have.removeCommand })) return this.#record(want, true);
      // What it made for the former values would stay for good.
      await this.#run(have, nameOf(have, 'remove'), have.removeCommand);
    }
    const recorded = await this.#record(want, false);
    if (recorded.status !== 'done') return recorded;
    const setting = nameOf(want, 'add');
    const end = await this.#run(want, setting, want.addCommand);
    if (end.outcome !== 'ok') return failed(setting, end);
    return this.#record(want, true);
  }

  async #remove({ subject }: CommandObject): Promise<Outcome> {
    const { bySubject } = this.#records;
    const have = bySubject.get(subject);
    if (have === undefined) return DONE;
    const setting = nameOf(have, 'remove');
    const other = subject === HOST_SUBJECT ? this.#findPeer() : undefined;
    if (other !== undefined)
      return rejected(`${setting} waits until the SubnetRemoveCommand of ${other} has ended or is given up`);
    const end = await this.#run(have, setting, have.removeCommand);
    const failedRemovals = have.failedRemovals + 1;
    const isRetried = end.outcome !== 'ok' && failedRemovals < MAX_REMOVALS;
    // It may have run in part: another add must run.
    if (isRetried) bySubject.set(subject, { ...have, isDone: false, failedRemovals });
    else bySubject.delete(subject);
    if (!isRetried && subject === HOST_SUBJECT) this.#records.startup = undefined;
    const failure = await this.#save();
    if (isRetried) return failed(setting, end);
    return failure === undefined ? DONE : rejected(failure);
  }

  /** A peer whose commands are not undone, and to be before those of the host; `undefined`: none. */
  #findPeer(): string | undefined {
    if (this.#options.triesOnce === true) return undefined;
    return [...this.#records.bySubject.keys()].find((subject) => subject !== HOST_SUBJECT);
  }

  async #record(command: CommandObject, isDone: boolean): Promise<Outcome> {
    this.#records.bySubject.set(command.subject, { ...fieldsOf(command), isDone, failedRemovals: 0 });
    const failure = await this.#save();
    return failure === undefined ? DONE : rejected(failure);
  }

  /** Resolves to why the records are not on disk; `undefined` if they are. */
  #save(): Promise<string | undefined> {
    return this.#records.save().then(
      () => undefined,
      (error: Error) =>
        `Cannot record commands in ${this.#options.path}: ${error.message}; make the folder writable`,
    );
  }

  async #run(command: CommandObject, setting: string, line: string): Promise<RunEnd> {
    const env = commandEnvironment(command, process.env);
    const args = commandArgs(line, command.isShell, env);
    if (args.length === 0) return { outcome: 'ok', message: 'ended', output: '' };
    const { onRun, timeoutMs = TIMEOUT_MS } = this.#options;
    const startedMs = performance.now();
    const group = startProcessGroup({
      args,
      env,
      timeoutMs,
      setting,
      input: command.input,
      keptCharacters: MAX_STARTUP_OUTPUT,
    });
    this.#running.add(group);
    const end = await group.ended;
    this.#running.delete(group);
    const text = end.outcome === 'ok' ? '' : `${setting} ${end.message} ${end.output}`;
    const isRepeated = text !== '' && this.#lastFailures.get(command.subject) === text;
    if (text === '') this.#lastFailures.delete(command.subject);
    else this.#lastFailures.set(command.subject, text);
    const ms = Math.round(performance.now() - startedMs);
    onRun({ setting, subject: command.subject, end, ms, isRepeated });
    return end;
  }
}

/** Subject of the commands of this host itself. */
export const HOST_SUBJECT = 'host';

function nameOf({ subject }: CommandObject, action: 'add' | 'remove'): string {
  if (subject === HOST_SUBJECT) return action === 'add' ? 'PostStartupCommand' : 'ShutdownCommand';
  return action === 'add' ? 'SubnetAddCommand' : 'SubnetRemoveCommand';
}

function toObject({ isDone, ...record }: CommandRecord): ActualObject {
  const command = fieldsOf(record);
  return isDone ? command : { ...command, mismatch: 'not ended' };
}

function fieldsOf(command: CommandObject): CommandObject {
  const { kind, subject, addCommand, removeCommand, isShell, environment, input } = command;
  return { kind, subject, addCommand, removeCommand, isShell, environment, input };
}

function isSame(a: CommandObject, b: CommandObject): boolean {
  return (
    a.addCommand === b.addCommand &&
    a.removeCommand === b.removeCommand &&
    a.isShell === b.isShell &&
    a.environment === b.environment &&
    a.input === b.input
  );
}

function failed(setting: string, end: RunEnd): Outcome {
  return rejected(describe(setting, end));
}

function rejected(message: string): Outcome {
  return { status: 'rejected', errno: 'ECANCELED', message };
}

/** The end of the run and the last of its output, as one line. */
function describe(setting: string, { message, output }: RunEnd): string {
  const last = escapeControls(output.slice(-MAX_REASON_CHARACTERS));
  return `${setting} ${message}${last === '' ? '' : `: ${last}`}`;
}
