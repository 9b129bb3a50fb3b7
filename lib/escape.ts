// Makes text from outside safe to print: it can neither control the terminal, nor break the line,
// nor change the direction of the text beside it.

/** Control, format, private and unassigned characters, lone surrogates, line separators. */
const UNPRINTABLE = /[\p{C}\u2028\u2029]/u;
const ALL_UNPRINTABLE = new RegExp(UNPRINTABLE, 'gu');
/** The same without newline and tab, which lay out a document. */
const ALL_BUT_LAYOUT = /(?![\n\t])[\p{C}\u2028\u2029]/gu;
/** Colours (SGR), which `cli/format/style.ts` adds. */
// eslint-disable-next-line no-control-regex
const COLOUR = /(\u001b\[[0-9;]*m)/;

/** Writes each unprintable character as `\n`, `\t` or `\u{…}`. The result is one line. */
export function escapeControls(text: string): string {
  return UNPRINTABLE.test(text) ? text.replaceAll(ALL_UNPRINTABLE, escapeOne) : text;
}

/** As {@link escapeControls}, for a text of several lines: newlines, tabs and colours stay. */
export function escapeDocument(text: string): string {
  return text
    .split(COLOUR)
    .map((part, index) => (index % 2 === 1 ? part : part.replaceAll(ALL_BUT_LAYOUT, escapeOne)))
    .join('');
}

/** A copy of plain data in which every string, keys of objects included, is escaped. */
export function escapeStrings<Data>(data: Data): Data {
  if (typeof data === 'string') return escapeControls(data) as Data;
  if (Array.isArray(data)) return data.map(escapeStrings) as Data;
  if (typeof data !== 'object' || data === null) return data;
  const entries = Object.entries(data).map(([key, value]) => [escapeControls(key), escapeStrings(value)]);
  return Object.fromEntries(entries) as Data;
}

/** JSON of `data` in which unprintable characters are escapes, so that parsing returns `data`. */
export function toPrintableJson(data: unknown, indent?: number): string {
  const json = JSON.stringify(data, null, indent);
  return json.replaceAll(ALL_BUT_LAYOUT, (character) =>
    Array.from({ length: character.length }, (_, index) => escapeUnit(character.charCodeAt(index))).join(''),
  );
}

function escapeOne(character: string): string {
  if (character === '\n') return String.raw`\n`;
  if (character === '\t') return String.raw`\t`;
  return `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`;
}

function escapeUnit(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`;
}
