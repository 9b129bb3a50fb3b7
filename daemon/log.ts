// Log lines: levels, the two shapes (one for people, one for machines), and the masks over secrets. One line an entry,
// whatever is in it. Does not decide what is worth a line.
import { formatHuman, formatJson } from './log-format.ts';
import { createRedactor } from './redact.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFormat = 'human' | 'json';

/** Values to print behind the message. An `Error` is printed with its code and causes. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Fields, or a function that makes them and is called only if the line is wanted. */
export type LazyLogFields = LogFields | (() => LogFields);

export interface Logger {
  debug(message: string, fields?: LazyLogFields): void;
  info(message: string, fields?: LazyLogFields): void;
  warn(message: string, fields?: LazyLogFields): void;
  error(message: string, fields?: LazyLogFields): void;
  isEnabled(level: LogLevel): boolean;
  /** A logger that prints `fields` on every line. */
  child(fields: LogFields): Logger;
}

export interface LoggerOptions {
  /** Default `human`. */
  readonly format?: LogFormat;
  /** Least severe level to print, default `info`. */
  readonly level?: LogLevel;
  /** Texts that must not appear in any line, however they got there. */
  readonly secrets?: readonly string[];
  /** Takes whole lines with their newline; default standard error. */
  readonly write?: (line: string) => void;
  /** Wall clock in milliseconds; default `Date.now`. */
  readonly nowMs?: () => number;
}

/** One line before it is text. */
export interface LogRecord {
  readonly timeMs: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** Makes a logger. Logging never throws. */
export function createLogger(options: LoggerOptions = {}): Logger {
  const redact = createRedactor(options.secrets ?? []);
  const format = options.format === 'json' ? formatJson : formatHuman;
  const write = options.write ?? writeToStandardError();
  const nowMs = options.nowMs ?? Date.now;
  const print = (level: LogLevel, message: string, fields: LogFields): void =>
    write(`${format({ timeMs: nowMs(), level, message, fields }, redact)}\n`);
  return makeLogger(options.level ?? 'info', {}, print);
}

type Print = (level: LogLevel, message: string, fields: LogFields) => void;

function makeLogger(level: LogLevel, base: LogFields, print: Print): Logger {
  const isEnabled = (candidate: LogLevel): boolean => LEVELS.indexOf(candidate) >= LEVELS.indexOf(level);
  const method = (own: LogLevel) =>
    isEnabled(own)
      ? (message: string, fields?: LazyLogFields): void =>
          print(own, message, { ...base, ...evaluate(fields) })
      : ignore;
  return {
    debug: method('debug'),
    info: method('info'),
    warn: method('warn'),
    error: method('error'),
    isEnabled,
    child: (fields) => makeLogger(level, { ...base, ...fields }, print),
  };
}

function ignore(): void {}

function evaluate(fields: LazyLogFields | undefined): LogFields | undefined {
  if (typeof fields !== 'function') return fields;
  try {
    return fields();
  } catch (error) {
    return { fieldsError: error };
  }
}

/** A reader that went away must not take the daemon with it. */
function writeToStandardError(): (line: string) => void {
  process.stderr.on('error', ignore);
  return (line) => {
    process.stderr.write(line);
  };
}
