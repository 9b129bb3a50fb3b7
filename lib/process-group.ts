// One run of an operator's command in its own process group, so that it ends with all its children.
// The end of the output is kept; open pipes of children do not delay the end of the run.
import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

export type RunOutcome = 'ok' | 'failed' | 'timeout';

export interface GroupRun {
  /** Program and arguments. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs: number;
  /** What names the command, for messages: `--on-change`. */
  readonly setting: string;
  /** Goes to standard input; default none. */
  readonly input?: string;
  /** How many characters of the output are kept; default 1000. */
  readonly keptCharacters?: number;
}

export interface RunEnd {
  readonly outcome: RunOutcome;
  /** The end as text, for example `ended with code 3`. */
  readonly message: string;
  /** The end of its standard output and error. */
  readonly output: string;
}

export interface ProcessGroup {
  /** Never rejects. */
  readonly ended: Promise<RunEnd>;
  /** Terminates the process group: SIGTERM, then SIGKILL after {@link GRACE_MS}. */
  end(): Promise<void>;
}

/** From SIGTERM to SIGKILL. The daemon's own stop deadline is 1 s. */
const GRACE_MS = 200;
/** How long what the command wrote before its end may stay in the pipes. */
const DRAIN_MS = 50;
const KEPT_CHARACTERS = 1000;

export function startProcessGroup(run: GroupRun): ProcessGroup {
  const { timeoutMs, setting } = run;
  const [program = ''] = run.args;
  const child = start(run);
  const output = keepOutput(child, run.keptCharacters ?? KEPT_CHARACTERS);
  let isTimedOut = false;
  const exited = new Promise<string | undefined>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => resolve(describeError(program, setting, error)));
    child.once('exit', (code, signal) => resolve(code === 0 ? undefined : describeEnd(code, signal)));
  });
  const closed = new Promise((resolve) => child.once('close', resolve));
  const end = async (): Promise<void> => {
    killGroup(child, 'SIGTERM');
    const timer = setTimeout(() => killGroup(child, 'SIGKILL'), GRACE_MS);
    await exited;
    clearTimeout(timer);
    // Children may have ignored SIGTERM.
    killGroup(child, 'SIGKILL');
  };
  const timer = setTimeout(() => {
    isTimedOut = true;
    void end();
  }, timeoutMs);
  const ended = exited.then(async (error): Promise<RunEnd> => {
    clearTimeout(timer);
    await Promise.race([closed, sleep(DRAIN_MS, undefined, { ref: false })]);
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
    if (isTimedOut)
      return {
        outcome: 'timeout',
        message: `took longer than ${timeoutMs / 1000} s and was terminated`,
        output: output(),
      };
    if (error !== undefined) return { outcome: 'failed', message: error, output: output() };
    return { outcome: 'ok', message: 'ended', output: output() };
  });
  return { ended, end };
}

function start({ args: [program = '', ...args], env, input }: GroupRun): ChildProcess {
  const stdin = input === undefined ? 'ignore' : 'pipe';
  const child = spawn(program, args, {
    cwd: '/',
    env: { ...env },
    detached: true,
    stdio: [stdin, 'pipe', 'pipe'],
  });
  // EPIPE: the command does not read its input.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input);
  return child;
}

/** Sends a signal to a child and its children. A program that failed to start has no process group. */
export function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH: every process of the group has ended.
  }
}

function keepOutput(child: ChildProcess, characters: number): () => string {
  let kept = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (kept = (kept + text).slice(-characters)));
  return () => kept.trim();
}

function describeError(program: string, setting: string, { code, message }: NodeJS.ErrnoException): string {
  const why: Readonly<Record<string, string>> = {
    ENOENT: `cannot be started: ${program} does not exist; correct ${setting}, or give the full path`,
    EACCES: `cannot be started: ${program} is not executable; chmod +x it, or start it by a shell`,
    ENOEXEC: `cannot be started: ${program} has no executable format; add a first line like #!/bin/sh`,
  };
  return why[code ?? ''] ?? `cannot be started: ${message}`;
}

function describeEnd(code: number | null, signal: NodeJS.Signals | null): string {
  return code === null ? `was terminated by ${signal}` : `ended with code ${code}`;
}
