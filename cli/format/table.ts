// Rows in aligned columns. Pure.

export interface TableOptions {
  /** Spaces before each line; default 0. */
  readonly indent?: number;
  /** Spaces between columns; default 2. */
  readonly gap?: number;
  /** Indexes of columns that are aligned to the right. */
  readonly right?: readonly number[];
}

/** One line per row, without trailing spaces. Empty for no rows. */
export function formatTable(rows: readonly (readonly string[])[], options: TableOptions = {}): string {
  const { indent = 0, gap = 2, right = [] } = options;
  const widths: number[] = [];
  for (const row of rows)
    for (const [column, text] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, widthOf(text));
  const lines = rows.map((row) => {
    const cells = row.map((text, column) => pad(text, widths[column] ?? 0, right.includes(column)));
    return `${' '.repeat(indent)}${cells.join(' '.repeat(gap))}`.trimEnd();
  });
  return lines.map((line) => `${line}\n`).join('');
}

// eslint-disable-next-line no-control-regex
const COLOUR = /\u001b\[[0-9;]*m/g;

/** Width of `text` on a terminal, colours excluded. */
export function widthOf(text: string): number {
  return text.includes('\u001b') ? text.replaceAll(COLOUR, '').length : text.length;
}

function pad(text: string, width: number, isRight: boolean): string {
  const spaces = ' '.repeat(Math.max(0, width - widthOf(text)));
  return isRight ? spaces + text : text + spaces;
}
