// Runs one command-line tool to its end. The only place that starts processes for kernel state.
import { execFile } from 'node:child_process';
import { loadNative, type Native } from '../../../native/index.ts';

/** How a tool ended. */
export interface ToolOutput {
  /** Exit code; 127 if the file does not exist, 124 after a time-out or too much output. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ToolLimits {
  /** Ends the tool with SIGKILL after so many ms. */
  readonly timeoutMs: number;
  /** Of standard output and of standard error, each. */
  readonly maxOutputBytes: number;
  /** Ends the tool with SIGKILL as well; such a tool is run by Node. */
  readonly signal?: AbortSignal;
}

export type RunTool = (
  file: string,
  args: readonly string[],
  input?: string,
  limits?: ToolLimits,
) => Promise<ToolOutput>;

/**
 * iptables may wait seconds for its lock (/run/xtables.lock); a host with many services prints as
 * much.
 */
const LIMITS: ToolLimits = { timeoutMs: 20_000, maxOutputBytes: 256 << 20 };

/**
 * Runs `file` with `args`; `input` goes to standard input. Never rejects: failures are in `code`.
 */
export const runTool: RunTool = (file, args, input = '', limits = LIMITS) => {
  const { native } = loadNative();
  return native === undefined || limits.signal !== undefined
    ? runByNode(file, args, input, limits)
    : runBy(native, file, args, input, limits);
};

function runBy(
  native: Native,
  ...[file, args, input, limits]: Required<Parameters<RunTool>>
): Promise<ToolOutput> {
  const { timeoutMs, maxOutputBytes } = limits;
  const variables = Object.entries(environment()).map(([name, value = '']) => `${name}=${value}`);
  return new Promise((resolve) => {
    const onEnd = (code: number, stdout: string, stderr: string): void => resolve({ code, stdout, stderr });
    native.runTool([file, ...args], variables, input, timeoutMs, maxOutputBytes, onEnd);
  });
}

/** Copies the page tables of this process, which holds it up for milliseconds. */
export const runByNode: RunTool = (file, args, input = '', limits = LIMITS) =>
  new Promise((resolve) => {
    const { timeoutMs, maxOutputBytes, signal } = limits;
    const kill = (): void => void child.kill('SIGKILL');
    const child = execFile(
      file,
      args,
      { env: environment(), timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: maxOutputBytes },
      (error, stdout, stderr) => {
        signal?.removeEventListener('abort', kill);
        resolve({ code: codeOf(error), stdout, stderr });
      },
    );
    signal?.addEventListener('abort', kill);
    if (signal?.aborted === true) kill();
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });

function codeOf(error: { readonly code?: unknown } | null): number {
  if (error === null) return 0;
  if (error.code === 'ENOENT') return 127;
  return typeof error.code === 'number' ? error.code : 124;
}

/** Adds the sbin folders, which not every PATH has; LC_ALL=C keeps output in English. */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' };
}
