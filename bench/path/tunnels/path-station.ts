// Where traffic and tunnels start and end: a network namespace, with what was started there.
import { Program, run, type RunOptions } from '../path-process.ts';

/** A namespace, entered by a command that becomes the program: a process id is the program's own. */
export class Station {
  readonly #enter: readonly string[];
  readonly #programs: Program[] = [];

  /** `enter`: the command that runs its arguments there. */
  constructor(enter: readonly string[]) {
    this.#enter = enter;
  }

  /** Runs a program to its end. */
  run(argv: readonly string[], options?: RunOptions): Promise<string> {
    return run([...this.#enter, ...argv], options);
  }

  /** Starts a program that stays until it is stopped, or until {@link stopAll}. */
  start(argv: readonly string[]): Program {
    const program = new Program([...this.#enter, ...argv]);
    this.#programs.push(program);
    return program;
  }

  /** As {@link start}; resolves once its output contains `marker`. */
  async startReady(argv: readonly string[], marker = 'ready'): Promise<Program> {
    const program = this.start(argv);
    await program.waitUntil(`its output contains '${marker}'`, () => program.stdout.includes(marker));
    return program;
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.stop('SIGKILL')));
  }
}
