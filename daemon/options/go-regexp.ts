// Regular expressions in the RE2 syntax that flannel's --iface-regex takes, as JavaScript ones. Translates what differs
// in spelling and refuses what JavaScript would silently read as something else.

export type ParsedRegExp = { readonly pattern: RegExp } | { readonly problem: string };

/** POSIX classes (RE2 syntax, `[[:digit:]]`), as they stand inside brackets. */
const POSIX_CLASSES: Readonly<Record<string, string>> = {
  digit: '0-9',
  alpha: 'A-Za-z',
  alnum: '0-9A-Za-z',
  lower: 'a-z',
  upper: 'A-Z',
  xdigit: '0-9A-Fa-f',
  word: '\\w',
  space: '\\s',
};

/** Compiles `text`; unanchored, without state between uses. */
export function parseGoRegExp(text: string): ParsedRegExp {
  const flags = /^\(\?([is]+)\)/.exec(text);
  const body = text
    .slice(flags?.[0].length ?? 0)
    .replaceAll('(?P<', '(?<')
    .replaceAll(/\[:(\w+):\]/g, (whole, name: string) => POSIX_CLASSES[name] ?? whole)
    .replaceAll(/(?<!\\)((?:\\\\)*)\\A/g, '$1^')
    .replaceAll(/(?<!\\)((?:\\\\)*)\\z/g, '$1$$');
  const foreign = /\[:\w+:\]|\(\?[imsU-]+[):]|(?<!\\)(?:\\\\)*(\\[QECpP])/.exec(body);
  if (foreign !== null) return { problem: `${foreign[1] ?? foreign[0]} is not supported here` };
  try {
    return { pattern: new RegExp(body, flags?.[1]) };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}
