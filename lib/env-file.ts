// Files of KEY=VALUE lines that shells source, of which subnet.env is one. Pure; nothing is
// expanded or run.
const ASSIGNMENT =
  /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*[=:]\s*(?:"([^"]*)"|'([^']*)'|([^\s#"']*))\s*(?:#.*)?$/;

/**
 * Reads a file as written by weft, by flannel or by hand: quotes, `export`, comments and blank
 * lines are fine. The last assignment of a key counts, as it does for a shell. `onBadLine` gets
 * every other line, counted from 1.
 */
export function parseEnvFile(
  text: string,
  onBadLine: (line: string, number: number) => void = () => undefined,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(?:#.*)?$/.test(line)) continue;
    const match = ASSIGNMENT.exec(line);
    if (match?.[1] === undefined) onBadLine(line, index + 1);
    else values.set(match[1], match[2] ?? match[3] ?? match[4] ?? '');
  }
  return values;
}
