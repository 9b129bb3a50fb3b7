// The two formats of a log line. A value is untrusted (a peer or the kernel sent it): control
// characters are escaped, nothing throws, and every value has a maximum length.
import { WeftError, type LogLevel } from '../../api/index.ts';
import { escapeControls, toPrintableJson } from '../../lib/escape.ts';
import type { Redactor } from './redact.ts';

/** Values to print after the message. An `Error` is printed with its code and causes. */
export type LogFields = Readonly<Record<string, unknown>>;

/** One line before it is text. */
export interface LogRecord {
  readonly timeMs: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

/** Characters printed of one value. */
const MAX_VALUE_LENGTH = 4096;
/** Causes printed of one error. */
const MAX_CAUSES = 5;

/** `2026-11-23T12:00:00.123Z INFO  message key=value key="a text"`. */
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
  return toPrintableJson({ ...head, ...Object.fromEntries(plain), ...head });
}

type Plain = string | number | boolean | null | undefined | object;

/** A value as JSON, with secrets masked. */
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
      // The root has the empty key; toPlain would call this function again without end.
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
    // Its message is empty, and the outer message names the failures.
    if (current instanceof AggregateError && current.message === '') break;
  }
  return text;
}

function describeOne(error: unknown): string {
  if (!(error instanceof Error))
    return typeof error === 'string' ? error : (JSON.stringify(error) ?? String(error));
  const message = error.message === '' ? error.name : error.message;
  const code = codeToAppend(error);
  return code === undefined ? message : `${message} (${code})`;
}

/** Messages of system errors contain the code, and messages of weft name cause and remedy. */
function codeToAppend(error: Error): string | undefined {
  if (error instanceof WeftError || 'syscall' in error) return undefined;
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function textOf(plain: Plain): string {
  return typeof plain === 'object' ? JSON.stringify(plain) : String(plain);
}

function quoteIfNeeded(text: string): string {
  return /^[^\s"=\\\p{C}]+$/u.test(text)
    ? text
    : escapeControls(text.startsWith('{') || text.startsWith('[') ? text : JSON.stringify(text));
}

function clip(text: string): string {
  return text.length <= MAX_VALUE_LENGTH
    ? text
    : `${text.slice(0, MAX_VALUE_LENGTH)}… (${text.length} characters)`;
}
