// Suites that have passed with the inputs that they have now. test/unless-passed.sh keeps its stamps in the same folder.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf, environmentOf, inputsOf } from './suite-inputs.ts';
import type { Task } from './suite-tasks.ts';

const FOLDER = '.build/passed';

export class PassedTasks {
  readonly #environment: readonly string[];
  /** Of the inputs at the start: what passes while its inputs change has not passed with either. */
  readonly #stamps = new Map<Task, string>();

  /** @param tools names of programs in PATH that suites use */
  constructor(tools: readonly string[]) {
    this.#environment = environmentOf(tools);
  }

  /** False for a phase of the Makefile, which has its own stamps. */
  has(task: Task): boolean {
    return task.isSuite && existsSync(this.#stampOf(task));
  }

  set(task: Task, isPassed: boolean): void {
    if (!task.isSuite) return;
    if (!isPassed) return rmSync(this.#stampOf(task), { force: true });
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(this.#stampOf(task), '');
  }

  #stampOf(task: Task): string {
    const known = this.#stamps.get(task);
    if (known !== undefined) return known;
    const remarks = [...this.#environment, ...task.argv, JSON.stringify(task.env)];
    const stamp = join(FOLDER, digestOf(inputsOf(task.argv.at(-1)!), remarks).slice(0, 40));
    this.#stamps.set(task, stamp);
    return stamp;
  }
}
