// Colours: only on a terminal without NO_COLOR (no-color.org), or where FORCE_COLOR asks for them
// (force-color.org). They add nothing to the text.

export interface Style {
  readonly good: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
}

const same = (text: string): string => text;

export const PLAIN: Style = { good: same, warn: same, bad: same, dim: same, bold: same };

const paint =
  (code: number) =>
  (text: string): string =>
    `\u001b[${code}m${text}\u001b[0m`;

export const COLOURED: Style = {
  good: paint(32),
  warn: paint(33),
  bad: paint(31),
  dim: paint(2),
  bold: paint(1),
};

/** The style that standard output supports. */
export function styleOf(
  stream: { readonly isTTY?: boolean } = process.stdout,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Style {
  const forced = env['FORCE_COLOR'] || undefined;
  const isUsual = stream.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  const isWanted = forced === undefined ? isUsual : forced !== '0' && forced !== 'false';
  return isWanted ? COLOURED : PLAIN;
}
