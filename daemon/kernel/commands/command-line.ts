// The command lines of the backend extension as programs and arguments, as flannel has them: since
// its 0.28.2 a line is split at white space and variables are expanded in each word, without a
// shell. Pure.
import type { CommandObject } from '../../../backends/kernel-state.ts';

/** What os.Expand of Go takes for a variable: `$NAME`, `${NAME}`, and the special ones of a shell. */
const VARIABLE = /\$(?:\{([^}]*)\}|([A-Za-z_][A-Za-z0-9_]*)|([*#$@!?\-0-9]))/g;

export type Environment = Readonly<Record<string, string | undefined>>;

/** Program and arguments; empty for an empty line. */
export function commandArgs(line: string, isShell: boolean, environment: Environment): readonly string[] {
  const parts = line.split(/\s+/).filter((part) => part !== '');
  if (parts.length === 0) return [];
  if (isShell) return ['/bin/sh', '-c', line];
  return parts.map((part) =>
    part.replaceAll(
      VARIABLE,
      (_, braced?: string, plain?: string) => environment[braced ?? plain ?? ''] ?? '',
    ),
  );
}

/** Passwords of the registry, which no command needs. */
const SECRET = /^(?:FLANNELD|WEFT)_.*PASSWORD$/;

/** The daemon's own variables, and those of `command`. */
export function commandEnvironment(
  { environment }: Pick<CommandObject, 'environment'>,
  own: Environment,
): Environment {
  const lines = environment === '' ? [] : environment.split('\n');
  const extra = lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]);
  const inherited = Object.entries(own).filter(([name]) => !SECRET.test(name));
  return { ...Object.fromEntries(inherited), ...Object.fromEntries(extra) } as Environment;
}
