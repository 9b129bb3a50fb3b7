// What is wrong with a config document and where. Collects; judges nothing.

/** One problem. Several are found at once, so that a document is mended in one go. */
export interface ConfigIssue {
  readonly severity: 'error' | 'warning';
  /** Line and column of the value (of the enclosing object if a field is missing), both from 1; columns in UTF-16 units. */
  readonly line: number;
  readonly column: number;
  /** JSON pointer (RFC 6901) in the document's own spelling, for example `/Backend/VNI`; empty for the document. */
  readonly path: string;
  /** The value as written, shortened; unset if it is missing or none of the reader's business. */
  readonly value?: string;
  /** What is wrong or should be there, with bounds and remedy, to be read after the path and the value. */
  readonly rule: string;
  /** The field is unknown, or misplaced inside or outside of Backend. */
  readonly isUnknownField?: true;
}

/** A point in the document that an issue is about. */
export interface SourceRange {
  readonly path: string;
  /** UTF-16 offset in the text. */
  readonly offset: number;
  readonly value?: string;
}

/** Writes an issue as one line, for example `line 1, column 40: error: /Backend/VNI (0) must be …`. */
export function formatConfigIssue(issue: ConfigIssue): string {
  const { line, column, severity, path, value, rule } = issue;
  const what = path === '' ? 'the document' : path;
  const subject = value === undefined ? what : `${what} (${value})`;
  return `line ${line}, column ${column}: ${severity}: ${subject} ${rule}`;
}

/** The issues of one text, in the order of the text. */
export class ConfigIssues {
  readonly #text: string;
  readonly #issues: { readonly offset: number; readonly issue: ConfigIssue }[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  get hasErrors(): boolean {
    return this.#issues.some(({ issue }) => issue.severity === 'error');
  }

  get list(): ConfigIssue[] {
    return this.#issues.toSorted((a, b) => a.offset - b.offset).map(({ issue }) => issue);
  }

  error(place: SourceRange, rule: string): void {
    this.#add('error', place, rule);
  }

  warn(place: SourceRange, rule: string): void {
    this.#add('warning', place, rule);
  }

  /** Warns of a field that is unknown where it stands. */
  warnUnknownField(place: SourceRange, rule: string): void {
    this.#add('warning', place, rule, { isUnknownField: true });
  }

  #add(
    severity: ConfigIssue['severity'],
    { path, offset, value }: SourceRange,
    rule: string,
    kind: Pick<ConfigIssue, 'isUnknownField'> = {},
  ): void {
    const before = this.#text.slice(0, offset).split(/\r\n|\r|\n/);
    const column = (before.at(-1)?.length ?? 0) + 1;
    const position = { severity, line: before.length, column, path };
    this.#issues.push({
      offset,
      issue: { ...position, ...(value !== undefined && { value }), rule, ...kind },
    });
  }
}
