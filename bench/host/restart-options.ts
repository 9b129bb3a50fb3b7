// The options of bench/restart.ts. Pure.
import { parseArgs } from 'node:util';
import { SCENARIOS, type ChangeName, type RestartScenario } from './restart-scenarios.ts';

export type Fault = 'nothing' | 'restart' | 'crash' | 'upgrade' | ChangeName;

export const FAULTS: readonly Fault[] = [
  'nothing',
  'restart',
  'crash',
  'upgrade',
  'another MTU',
  'another port',
  'another backend',
];

export interface RestartOptions {
  readonly scenarios: readonly RestartScenario[];
  readonly faults: readonly Fault[];
}

/** `--scenarios` and `--faults`, each some names divided by semicolons; default: all. @throws Error naming what there is. */
export function parseRestartOptions(args: readonly string[]): RestartOptions {
  const options = { scenarios: { type: 'string' }, faults: { type: 'string' } } as const;
  const { scenarios, faults } = parseArgs({ args: [...args], options }).values;
  return {
    scenarios: choose('scenarios', scenarios, SCENARIOS, ({ name }) => name),
    faults: choose('faults', faults, FAULTS, (name) => name),
  };
}

function choose<Item>(
  option: string,
  text: string | undefined,
  all: readonly Item[],
  nameOf: (item: Item) => string,
): readonly Item[] {
  if (text === undefined) return all;
  return text.split(';').map((name) => {
    const found = all.find((item) => nameOf(item) === name);
    if (found !== undefined) return found;
    throw new Error(
      `--${option} has '${name}': give some of '${all.map(nameOf).join("', '")}', divided by ';'`,
    );
  });
}
