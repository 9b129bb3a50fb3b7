// Runs one program of the firewall to its end. The only place that starts processes for kernel state.
import { execFile } from 'node:child_process';

export interface ProgramOutput {
  /** Exit code; 127 if there is no such program, 124 if it took too long. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramLimits {
  readonly timeoutMs: number;
  readonly maxOutputBytes: number;
}

export type RunProgram = (
  file: string,
  words: readonly string[],
  input?: string,
  limits?: ProgramLimits,
) => Promise<ProgramOutput>;

/** iptables may wait for its lock, which others hold for seconds; a host with very many services lists as much. */
const LIMITS: ProgramLimits = { timeoutMs: 20_000, maxOutputBytes: 256 << 20 };

/** Never rejects: look at `code`. `input` goes to standard input. */
export const runProgram: RunProgram = (file, words, input = '', limits = LIMITS) =>
  new Promise((resolve) => {
    const { timeoutMs, maxOutputBytes } = limits;
    const child = execFile(
      file,
      words,
      { env: environment(), timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: maxOutputBytes },
      (error, stdout, stderr) => resolve({ code: codeOf(error), stdout, stderr }),
    );
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });

function codeOf(error: { readonly code?: unknown } | null): number {
  if (error === null) return 0;
  if (error.code === 'ENOENT') return 127;
  return typeof error.code === 'number' ? error.code : 124;
}

/** Administrators' programs are in sbin, which not every PATH has; messages are matched in English. */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' };
}
