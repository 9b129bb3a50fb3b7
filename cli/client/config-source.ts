// The document that an operator hands over: read from a file or standard input, comments taken out, checked more strictly
// than hosts do, since whoever edits it can still mend it.
import { readFile } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import { visit } from 'jsonc-parser';
import { formatConfigIssue } from '../../allocator/config/config.ts';
import { parseNetworkConfig } from '../../allocator/config/config-parse.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import { UsageError } from '../usage-error.ts';

export interface ParsedConfigFile {
  /** Plain JSON, as flannel wants it: what is written. */
  readonly text: string;
  readonly config: NetworkConfig;
  /** One line each. */
  readonly warnings: readonly string[];
}

/** The text of a file, of standard input for `-`. @throws UsageError if it cannot be read. */
export async function readSource(path: string): Promise<string> {
  if (path === '-') return readAll(process.stdin);
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`Cannot read ${path}: ${error.code}; give a file, or - for standard input`);
  });
}

/** Checks a document: errors of the hosts, and unknown fields, which hosts only warn of. */
export function checkConfig(
  source: string,
): ({ readonly ok: true } & ParsedConfigFile) | { readonly ok: false; readonly errors: readonly string[] } {
  const text = toPlainJson(source);
  const result = parseNetworkConfig(text);
  const issues = result.ok ? result.warnings : result.issues;
  const isBad = ({ severity, message }: (typeof issues)[number]): boolean =>
    severity === 'error' || message.startsWith('is no known field') || message.includes('move it there');
  const lines = issues.map((issue) =>
    formatConfigIssue(isBad(issue) ? { ...issue, severity: 'error' } : issue),
  );
  if (!result.ok || issues.some(isBad)) return { ok: false, errors: lines };
  return { ok: true, text, config: result.config, warnings: lines };
}

/** Comments and commas behind the last field become blanks, so that every place stays where it was. */
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
