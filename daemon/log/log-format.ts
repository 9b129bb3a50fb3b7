// The two shapes of a log line. A value can hold anything (a peer wrote it, a kernel sent it): control characters are
// escaped, nothing throws, nothing is longer than a bound.
import type { LogRecord } from './log.ts';
import type { Redactor } from './redact.ts';

/** Characters of one value that are printed at most. */
const MAX_VALUE_LENGTH = 4096;
/** Causes of an error that are printed at most. */
const MAX_CAUSES = 5;

/** `2026-11-23T12:00:00.123Z INFO  message key=value key="two words"`. */
export function formatHuman(record: LogRecord, redact: Redactor): string {
  const time = new Date(record.timeMs).toISOString();
  let line = `${time} ${record.level.toUpperCase().padEnd(5)} ${escapeControls(redact.text(record.message))}`;
  for (const [key, value] of Object.entries(record.fields)) {
    if (value === undefined) continue;
    line += ` ${key}=${quoteIfNeeded(textOf(toPlain(key, value, redact)))}`;
  }
  return line;
}

/** One JSON object: `time`, `level`, `message`, then the fields. */
export function formatJson(record: LogRecord, redact: Redactor): string {
  const head = {
    time: new Date(record.timeMs).toISOString(),
    level: record.level,
    message: redact.text(record.message),
  };
  const plain = Object.entries(record.fields).map(([key, value]) => [key, toPlain(key, value, redact)]);
  return JSON.stringify({ ...head, ...Object.fromEntries(plain), ...head });
}

type Plain = string | number | boolean | null | undefined | object;

/** A value that JSON can hold, with secrets masked. */
function toPlain(key: string, value: unknown, redact: Redactor): Plain {
  if (redact.isSecretName(key)) return redact.mask;
  if (value instanceof Error) return clip(redact.text(describeError(value)));
  switch (typeof value) {
    case 'string':
      return clip(redact.text(value));
    case 'object':
      return objectToPlain(value, redact);
    case 'number':
    case 'boolean':
    case 'undefined':
      return value;
    case 'bigint':
    case 'symbol':
    case 'function':
      return String(value);
  }
}

function objectToPlain(value: object | null, redact: Redactor): Plain {
  if (value === null) return null;
  try {
    const json = JSON.stringify(value, (key: string, member: unknown): unknown => {
      // At the top the key is empty, and again `objectToPlain` would have no end.
      if (typeof member === 'object' && !(member instanceof Error)) {
        return redact.isSecretName(key) ? redact.mask : member;
      }
      return toPlain(key, member, redact);
    });
    return json.length > MAX_VALUE_LENGTH ? clip(json) : (JSON.parse(json) as object);
  } catch {
    return '[unprintable]';
  }
}

/** Message, code and causes of an error, outermost first. */
export function describeError(error: unknown): string {
  let text = '';
  let current = error;
  for (let depth = 0; depth < MAX_CAUSES && current !== undefined; depth++) {
    text += `${depth === 0 ? '' : ': '}${describeOne(current)}`;
    current = current instanceof Error ? current.cause : undefined;
    // A bare list of failures, which the message names already.
    if (current instanceof AggregateError && current.message === '') break;
  }
  return text;
}

function describeOne(error: unknown): string {
  if (!(error instanceof Error))
    return typeof error === 'string' ? error : (JSON.stringify(error) ?? String(error));
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const message = error.message === '' ? error.name : error.message;
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
}

function textOf(plain: Plain): string {
  return typeof plain === 'object' ? JSON.stringify(plain) : String(plain);
}

function quoteIfNeeded(text: string): string {
  return /^[^\s"=\\\p{C}]+$/u.test(text)
    ? text
    : escapeControls(text.startsWith('{') || text.startsWith('[') ? text : JSON.stringify(text));
}

/** Control, format and unassigned characters as `\u…`: none may break the line or the terminal. */
function escapeControls(text: string): string {
  return text.replaceAll(/\p{C}|[\u2028\u2029]/gu, (character) => {
    if (character === '\n') return '\\n';
    if (character === '\t') return '\\t';
    return `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`;
  });
}

function clip(text: string): string {
  return text.length <= MAX_VALUE_LENGTH
    ? text
    : `${text.slice(0, MAX_VALUE_LENGTH)}… (${text.length} characters)`;
}
