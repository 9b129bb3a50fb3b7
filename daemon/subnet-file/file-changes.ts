// What one text of subnet.env changes in another. Pure.
import { parseEnvFile } from '../../lib/env-file.ts';

/** One a variable, `FLANNEL_MTU: 1450 -> 1350`; empty for texts that have no variables. */
export function fileChanges(before: string, after: string): readonly string[] {
  const [from, to] = [parseEnvFile(before), parseEnvFile(after)];
  const names = [...new Set([...from.keys(), ...to.keys()])].filter(
    (name) => from.get(name) !== to.get(name),
  );
  return names.map((name) => `${name}: ${from.get(name) ?? 'unset'} -> ${to.get(name) ?? 'unset'}`);
}
