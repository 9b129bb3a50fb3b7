// The words of --on-change. No shell reads them: no quotes, variables or wildcards, unless the command is a shell itself.

export interface ChangeHookCommand {
  /** Program and arguments; the program is looked for in PATH unless it has a slash. */
  readonly words: readonly string[];
  /** Then it is ended. */
  readonly timeoutMs: number;
}

/** Words with blanks between them or, where it begins with `[`, a JSON array of words. A text is what is wrong. */
export function parseHookCommand(text: string): readonly string[] | string {
  const trimmed = text.trim();
  if (trimmed === '') return 'must name a command, for example /usr/local/sbin/subnet-changed';
  if (trimmed.includes('\0')) return 'must not have a NUL character';
  return trimmed.startsWith('[') ? parseWords(trimmed) : trimmed.split(/\s+/);
}

function parseWords(text: string): readonly string[] | string {
  const remedy = 'must be a JSON array of words, for example ["sh","-c","systemctl restart docker"]';
  try {
    const words: unknown = JSON.parse(text);
    const isRight = Array.isArray(words) && words.every((word) => typeof word === 'string');
    return isRight && words[0] ? words : remedy;
  } catch {
    return remedy;
  }
}
