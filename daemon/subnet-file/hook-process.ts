// One run of a command: in a process group of its own, so that it ends with all that it started; its output is read, the
// last of it kept, and nothing of it waited for.
import { spawn, type ChildProcess } from 'node:child_process';

export type HookOutcome = 'ok' | 'failed' | 'timeout';

export interface HookRun {
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

export interface HookEnd {
  readonly outcome: HookOutcome;
  /** What it did, for example `ended with code 3`. */
  readonly message: string;
  /** The last of what it wrote on either output. */
  readonly output: string;
}

export interface HookProcess {
  /** Never rejects. */
  readonly ended: Promise<HookEnd>;
  /** Asks the group to end, and soon kills it. */
  end(): Promise<void>;
}

/** From SIGTERM to SIGKILL. The daemon itself has a second to end. */
const GRACE_MS = 200;
const KEPT_OUTPUT = 1000;

export function startHookProcess({ words, env, timeoutMs }: HookRun): HookProcess {
  const [program = '', ...args] = words;
  const child = spawn(program, args, {
    cwd: '/',
    env: { ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = keepOutput(child);
  let isLate = false;
  const gone = new Promise<string | undefined>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => resolve(describeError(program, error)));
    child.once('exit', (code, signal) => resolve(code === 0 ? undefined : describeEnd(code, signal)));
  });
  const end = async (): Promise<void> => {
    kill(child, 'SIGTERM');
    const timer = setTimeout(() => kill(child, 'SIGKILL'), GRACE_MS);
    await gone;
    clearTimeout(timer);
    // Its children may be less polite than itself.
    kill(child, 'SIGKILL');
  };
  const timer = setTimeout(() => {
    isLate = true;
    void end();
  }, timeoutMs);
  const ended = gone.then((trouble): HookEnd => {
    clearTimeout(timer);
    for (const stream of [child.stdout, child.stderr]) stream?.destroy();
    if (isLate)
      return {
        outcome: 'timeout',
        message: `took longer than ${timeoutMs / 1000} s and was ended`,
        output: output(),
      };
    if (trouble !== undefined) return { outcome: 'failed', message: trouble, output: output() };
    return { outcome: 'ok', message: 'ended', output: output() };
  });
  return { ended, end };
}

/** A process that could not be started has no group. */
function kill({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Everybody in it has ended.
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
    ENOENT: `cannot be started: there is no ${program}; correct --on-change, with a path in front`,
    EACCES: `cannot be started: ${program} may not be executed; chmod +x it, or put a shell in front`,
    ENOEXEC: `cannot be started: ${program} is no program; give it a first line like #!/bin/sh`,
  };
  return why[code ?? ''] ?? `cannot be started: ${message}`;
}

function describeEnd(code: number | null, signal: NodeJS.Signals | null): string {
  return code === null ? `was ended by ${signal}` : `ended with code ${code}`;
}
