// One run of the hook's command in its own process group, so that it ends with all its children.
// The end of the output is kept; open pipes of children do not delay the end of the run.
import { spawn, type ChildProcess } from 'node:child_process';

export type HookOutcome = 'ok' | 'failed' | 'timeout';

export interface HookRun {
  /** Program and arguments. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

export interface HookEnd {
  readonly outcome: HookOutcome;
  /** The end as text, for example `ended with code 3`. */
  readonly message: string;
  /** The end of its standard output and error. */
  readonly output: string;
}

export interface HookProcess {
  /** Never rejects. */
  readonly ended: Promise<HookEnd>;
  /** Terminates the process group: SIGTERM, then SIGKILL after {@link GRACE_MS}. */
  end(): Promise<void>;
}

/** From SIGTERM to SIGKILL. The daemon's own stop deadline is 1 s. */
const GRACE_MS = 200;
/** Characters. */
const KEPT_OUTPUT = 1000;

export function startHookProcess({ args: argv, env, timeoutMs }: HookRun): HookProcess {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, {
    cwd: '/',
    env: { ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = keepOutput(child);
  let isTimedOut = false;
  const exited = new Promise<string | undefined>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => resolve(describeError(program, error)));
    child.once('exit', (code, signal) => resolve(code === 0 ? undefined : describeEnd(code, signal)));
  });
  const end = async (): Promise<void> => {
    kill(child, 'SIGTERM');
    const timer = setTimeout(() => kill(child, 'SIGKILL'), GRACE_MS);
    await exited;
    clearTimeout(timer);
    // Children may have ignored SIGTERM.
    kill(child, 'SIGKILL');
  };
  const timer = setTimeout(() => {
    isTimedOut = true;
    void end();
  }, timeoutMs);
  const ended = exited.then((error): HookEnd => {
    clearTimeout(timer);
    for (const stream of [child.stdout, child.stderr]) stream?.destroy();
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

/** A program that failed to start has no process group. */
function kill({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // ESRCH: every process of the group has ended.
  }
}

function keepOutput(child: ChildProcess): () => string {
  let kept = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (kept = (kept + text).slice(-KEPT_OUTPUT)));
  return () => kept.trim();
}

function describeError(program: string, { code, message }: NodeJS.ErrnoException): string {
  const why: Readonly<Record<string, string>> = {
    ENOENT: `cannot be started: ${program} does not exist; correct --on-change, or give the full path`,
    EACCES: `cannot be started: ${program} is not executable; chmod +x it, or start it by a shell`,
    ENOEXEC: `cannot be started: ${program} has no executable format; add a first line like #!/bin/sh`,
  };
  return why[code ?? ''] ?? `cannot be started: ${message}`;
}

function describeEnd(code: number | null, signal: NodeJS.Signals | null): string {
  return code === null ? `was terminated by ${signal}` : `ended with code ${code}`;
}
