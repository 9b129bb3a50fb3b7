// Finds characters of a file format or a shell that came into the value of a flag or variable: env
// files of Docker and Kubernetes keep quotes and carriage returns as part of the value. Pure.

/** A line break or tab inside of a value may be meant. */
const INVISIBLE = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u00A0]|^[\n\t]|[\n\t]$/u;
const NAMES: Readonly<Record<string, string>> = {
  '\r': 'a carriage return: save the file with Unix line ends (dos2unix)',
  '\n': 'a line break: write one line',
  '\t': 'a tab: remove it',
  '\u00A0': 'a no-break space: remove it',
  '\uFEFF': 'a byte order mark: remove it',
};
const QUOTES =
  /^(?:".*"|'.*'|`.*`|[\u201C\u201D\u201E\u00AB].*[\u201C\u201D\u00BB]|[\u2018\u2019].*[\u2018\u2019])$/su;
const LONE_QUOTE = /^["'\u2018-\u201E]|["'\u2018-\u201E]$/u;

/** What is wrong with `text` and the remedy, without the value; `undefined` if nothing is. */
export function findStrayCharacters(text: string): string | undefined {
  const invisible = INVISIBLE.exec(text)?.[0];
  if (invisible !== undefined)
    return `has ${NAMES[invisible] ?? `${codeOf(invisible)}, which is invisible: remove it`}`;
  if (QUOTES.test(text)) return 'has quotes around it, which count as part of the value here: remove them';
  // A command of several arguments may end in one.
  if (LONE_QUOTE.test(text) && !/\s/.test(text))
    return 'has a quote at one end, which counts as part of the value: remove it';
  return undefined;
}

function codeOf(character: string): string {
  return `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
}
