// Translates the RE2 syntax of flannel's --iface-regex into JavaScript regular expressions. It
// rejects syntax that JavaScript would silently interpret differently.

export type ParsedRegExp = { readonly pattern: RegExp } | { readonly problem: string };

/** POSIX classes (RE2 syntax, `[[:digit:]]`) as JavaScript character classes. */
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

/** Compiles `text`: unanchored and stateless. */
export function parseGoRegExp(text: string): ParsedRegExp {
  const flags = /^\(\?([is]+)\)/.exec(text);
  const body = text
    .slice(flags?.[0].length ?? 0)
    .replaceAll('(?P<', '(?<')
    .replaceAll(/\[:(\w+):\]/g, (match, name: string) => POSIX_CLASSES[name] ?? match)
    .replaceAll(/(?<!\\)((?:\\\\)*)\\A/g, '$1^')
    .replaceAll(/(?<!\\)((?:\\\\)*)\\z/g, '$1$$');
  const unsupported = /\[:\w+:\]|\(\?[imsU-]+[):]|(?<!\\)(?:\\\\)*(\\[QECpP])/.exec(body);
  if (unsupported !== null) return { problem: `${unsupported[1] ?? unsupported[0]} is not supported` };
  try {
    return { pattern: new RegExp(body, flags?.[1]) };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}
