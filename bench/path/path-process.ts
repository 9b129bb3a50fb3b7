// Programs of the path benchmark: run to their end, or kept running beside a measurement. `ip netns exec` becomes the
// program, so a process id is the program's own, and /proc shows its cost.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { waitFor } from '../../lab/wait.ts';

/** USER_HZ: /proc counts CPU time in hundredths of a second on every architecture that weft runs on (proc(5)). */
const TICKS_PER_SEC = 100;
/** How much of a command line an error shows. */
const NAME_LENGTH = 120;
const MAX_OUTPUT_BYTES = 64 << 20;

export interface RunOptions {
  /** Text for standard input. */
  readonly input?: string;
  /** After this long the program is killed; default 20 s. */
  readonly timeoutMs?: number;
}

/** Runs a program to its end and returns its output. @throws Error with the end of its output, if it fails. */
export function run(
  argv: readonly string[],
  { input, timeoutMs = 20_000 }: RunOptions = {},
): Promise<string> {
  const limits = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT_BYTES } as const;
  return new Promise((resolve, reject) => {
    const child = execFile(argv[0]!, argv.slice(1), limits, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const why = error.killed ? `killed after ${timeoutMs} ms` : (stderr || stdout).trim().slice(-1000);
      reject(new Error(`'${argv.join(' ')}' failed (${error.code ?? error.signal}): ${why}`));
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

/** A program that runs until it is stopped. */
export class Program {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #closed: Promise<void>;
  #isClosed = false;
  #stdout = '';
  #stderr = '';

  constructor(argv: readonly string[]) {
    this.name = argv.join(' ').slice(0, NAME_LENGTH);
    this.#child = spawn(argv[0]!, argv.slice(1), { stdio: 'pipe' });
    this.#child.stdout!.on('data', (chunk: Buffer) => (this.#stdout += chunk.toString()));
    this.#child.stderr!.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.#child.stdin!.on('error', () => undefined);
    this.#closed = new Promise((resolve) => {
      const close = () => {
        this.#isClosed = true;
        resolve();
      };
      this.#child.once('close', close);
      this.#child.once('error', (error) => {
        this.#stderr += error.message;
        close();
      });
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get stdout(): string {
    return this.#stdout;
  }

  /** Writes a line to its standard input and returns the next line that it answers. */
  async ask(line: string): Promise<string> {
    const from = this.#stdout.length;
    this.#child.stdin!.write(`${line}\n`);
    await this.waitUntil(`the answer to ${line}`, () => this.#stdout.indexOf('\n', from) >= 0);
    return this.#stdout.slice(from, this.#stdout.indexOf('\n', from));
  }

  /** Gives it all of its standard input. */
  endInput(text: string): void {
    this.#child.stdin!.end(text);
  }

  /** Waits for a condition that the program fulfils. @throws Error with its output as soon as it exits before. */
  async waitUntil(
    what: string,
    condition: () => boolean | Promise<boolean>,
    timeoutMs = 15_000,
  ): Promise<void> {
    const isMet = async () => this.#isClosed || (await condition());
    await waitFor(what, isMet, timeoutMs).catch((error: unknown) => {
      throw new Error(`${this.name}: ${String(error)}; its output: ${this.output}`, { cause: error });
    });
    if (this.#isClosed) throw new Error(`'${this.name}' exited before ${what}: ${this.output}`);
  }

  /** Ends it and returns all that it wrote to standard output. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<string> {
    this.#child.kill(signal);
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
    await this.#closed;
    clearTimeout(killer);
    return this.#stdout;
  }

  /** CPU time that it has used so far, in seconds, of all its threads, user and system. */
  async cpuSeconds(): Promise<number> {
    if (this.#isClosed) throw new Error(`'${this.name}' has exited: ${this.output}`);
    return cpuSeconds(`/proc/${this.pid}`);
  }

  /** Anonymous memory: what is its own and no file's, in bytes. */
  anonymousBytes(): Promise<number> {
    return anonymousBytes(`/proc/${this.pid}`);
  }

  /** The end of its output, for an error. */
  get output(): string {
    return `${this.#stderr}\n${this.#stdout}`.trim().slice(-1000) || 'nothing';
  }
}

/** `proc`: a process's folder of /proc. CPU time of all its threads, user and system. */
export async function cpuSeconds(proc: string): Promise<number> {
  const stat = await readFile(`${proc}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SEC;
}

/** `proc`: as above. */
export async function anonymousBytes(proc: string): Promise<number> {
  const rollup = await readFile(`${proc}/smaps_rollup`, 'utf8');
  return Number(/^Anonymous:\s+(\d+) kB/m.exec(rollup)![1]) * 1024;
}
