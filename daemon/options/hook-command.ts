// Parses the command of --on-change. No shell interprets it: quotes, variables and wildcards have
// no meaning.

export interface ChangeHookCommand {
  /** Program and arguments. A program without a slash is searched in PATH. */
  readonly args: readonly string[];
  /** Time after which the command is terminated. */
  readonly timeoutMs: number;
}

/**
 * Splits at blanks; a text that begins with `[` is a JSON array of arguments.
 * @returns the arguments, or the error as a string
 */
export function parseHookCommand(text: string): readonly string[] | string {
  const trimmed = text.trim();
  if (trimmed === '') return 'must name a command, for example /usr/local/sbin/subnet-changed';
  if (trimmed.includes('\0')) return 'must not have a NUL character';
  return trimmed.startsWith('[') ? parseJsonArgs(trimmed) : trimmed.split(/\s+/);
}

function parseJsonArgs(text: string): readonly string[] | string {
  const remedy = 'must be a JSON array of strings, for example ["sh","-c","systemctl restart docker"]';
  try {
    const args: unknown = JSON.parse(text);
    const isValid = Array.isArray(args) && args.every((arg) => typeof arg === 'string');
    return isValid && args[0] ? args : remedy;
  } catch {
    return remedy;
  }
}
