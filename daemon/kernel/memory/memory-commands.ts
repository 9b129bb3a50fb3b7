// Commands of the backend extension that run nowhere: what would have run is a list.
import type { CommandObject } from '../../../backends/kernel-state.ts';
import type { ActualObject } from '../actual-state.ts';
import type { CommandOutput } from '../commands/command-records.ts';
import { DONE, type Outcome } from '../netlink/outcome.ts';

export class MemoryCommands {
  /** `add 10.5.2.0/24`, `remove host` and so on, in order. */
  readonly runs: string[] = [];
  readonly #done = new Map<string, CommandObject>();

  list(): Promise<readonly ActualObject[]> {
    return Promise.resolve([...this.#done.values()]);
  }

  apply(action: 'set' | 'remove', object: CommandObject): Outcome {
    const { subject } = object;
    this.runs.push(`${action === 'set' ? 'add' : 'remove'} ${subject}`);
    if (action === 'set') this.#done.set(subject, object);
    else this.#done.delete(subject);
    return DONE;
  }

  runStartup({ addCommand }: CommandObject): Promise<CommandOutput> {
    return Promise.resolve({ ok: true, output: `output of ${addCommand}` });
  }
}
