// Reads a config document from a file or standard input, strips comments, and checks it more
// strictly than hosts do: an operator can still correct the document.
import { readFile } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import { visit } from 'jsonc-parser';
import { formatConfigIssue } from '../../allocator/config/config.ts';
import { parseNetworkConfig } from '../../allocator/config/config-parse.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import { UsageError } from '../usage-error.ts';

export interface ParsedConfigFile {
  /** Plain JSON, which flannel requires. */
  readonly text: string;
  readonly config: NetworkConfig;
  /** One line each. */
  readonly warnings: readonly string[];
}

/** The text of a file, or of standard input for `-`. @throws UsageError for an unreadable file. */
export async function readSource(path: string): Promise<string> {
  if (path === '-') return readAll(process.stdin);
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`Cannot read ${path}: ${error.code}; give a file, or - for standard input`);
  });
}

/** Checks a document. Unknown fields are errors here; hosts only warn about them. */
export function checkConfig(
  source: string,
): ({ readonly ok: true } & ParsedConfigFile) | { readonly ok: false; readonly errors: readonly string[] } {
  const text = toPlainJson(source);
  const result = parseNetworkConfig(text);
  const issues = result.ok ? result.warnings : result.issues;
  const isError = ({ severity, isUnknownField }: (typeof issues)[number]): boolean =>
    severity === 'error' || isUnknownField === true;
  const lines = issues.map((issue) =>
    formatConfigIssue(isError(issue) ? { ...issue, severity: 'error' } : issue),
  );
  if (!result.ok || issues.some(isError)) return { ok: false, errors: lines };
  return { ok: true, text, config: result.config, warnings: lines };
}

/**
 * Replaces comments and trailing commas by spaces, so that line and column of errors stay right.
 */
export function toPlainJson(source: string): string {
  const surplus: [offset: number, length: number][] = [];
  let comma: number | undefined;
  const onValue = (): void => void (comma = undefined);
  const onEnd = (): void => {
    if (comma !== undefined) surplus.push([comma, 1]);
    comma = undefined;
  };
  visit(source, {
    onComment: (offset, length) => void surplus.push([offset, length]),
    onSeparator: (character, offset) => void (comma = character === ',' ? offset : undefined),
    onObjectBegin: onValue,
    onArrayBegin: onValue,
    onObjectProperty: onValue,
    onLiteralValue: onValue,
    onObjectEnd: onEnd,
    onArrayEnd: onEnd,
  });
  return surplus.reduce((plain, [offset, length]) => {
    const blank = plain.slice(offset, offset + length).replaceAll(/[^\r\n]/g, ' ');
    return plain.slice(0, offset) + blank + plain.slice(offset + length);
  }, source);
}
