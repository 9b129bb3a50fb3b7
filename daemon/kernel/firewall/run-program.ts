// Runs one program of the firewall to its end. The only place that starts processes for kernel state.
import { execFile } from 'node:child_process';

export interface ProgramOutput {
  /** Exit code; 127 if there is no such program, 124 if it took too long. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export type RunProgram = (file: string, words: readonly string[], input?: string) => Promise<ProgramOutput>;

/** iptables may wait for its lock, which others hold for seconds. */
const TIMEOUT_MS = 20_000;
/** A host with very many services lists as much. */
const MAX_OUTPUT_BYTES = 256 << 20;

/** Never rejects: look at `code`. `input` goes to standard input. */
export const runProgram: RunProgram = (file, words, input = '') =>
  new Promise((resolve) => {
    const child = execFile(
      file,
      words,
      { env: environment(), timeout: TIMEOUT_MS, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT_BYTES },
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
