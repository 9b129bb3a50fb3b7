// Recognizes what a text is that is no JSON: another encoding, another format, characters of word
// processors and shells. Pure.

/** Message for a whole text in another encoding or format; `undefined` if it is none of these. */
export function hintOfText(text: string): string | undefined {
  if (text.slice(0, 64).includes('\0') || /^(?:\uFFFD\uFFFD|\uFFFE)/.test(text))
    return 'is in UTF-16 or UTF-32: save the file as UTF-8';
  const start = text.trimStart().replace(/^\uFEFF/, '');
  if (start.startsWith('<')) return 'is XML or HTML: write JSON';
  if (/^---\s|^(?:- )?["']?\w+["']?\s*:(?:\s|$)/.test(start))
    return 'is YAML: write JSON, with { } and double quotes';
  if (/^(?:\[\w+\]\s*[\r\n]|(?:export\s+)?\w+\s*=)/.test(start))
    return 'has lines of KEY=VALUE: write JSON, with { } and colons';
  return undefined;
}

const CHARACTERS: Readonly<Record<string, string>> = {
  '\\': 'has a backslash outside of a string, often from quoting for a shell: remove it',
  "'": 'has a single quote: JSON takes double quotes only',
  '`': 'has a backquote: JSON takes double quotes only',
  '\u00A0': 'has a no-break space here: write a plain blank',
  '\uFEFF': 'has a byte order mark here: remove it',
  '\uFFFD': 'has bytes here that are not UTF-8: save the file as UTF-8',
  '=': 'has = here: write a colon between field name and value',
  ';': 'has a semicolon here: write a comma between two fields',
  '#': 'has a comment: JSON allows none, remove it',
};

/** Message for the first character of `token` that stands in no JSON outside of a string. */
export function hintOfToken(token: string): string | undefined {
  for (const character of token) {
    const message = CHARACTERS[character];
    if (message !== undefined) return message;
    if (/[\u2018-\u201F\u00AB\u00BB\uFF02\uFF07]/.test(character))
      return `has a typographic quote ${character} here: write a plain double quote`;
    if (/[\p{Z}\p{Cc}\p{Cf}]/u.test(character) && !/[ \t\r\n]/.test(character))
      return `has the invisible character ${codeOf(character)} here: remove it`;
    if (/[\uFF0C\uFF1A\uFF5B\uFF5D]/.test(character))
      return `has the full-width character ${character} here: write the plain one`;
  }
  return undefined;
}

function codeOf(character: string): string {
  return `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
}
