// The logger: levels, two formats (for people and for machines) and masked secrets. Every entry is
// one line.
import { LOG_LEVELS, type LogLevel } from '../../api/index.ts';
import { formatHuman, formatJson, type LogFields } from './log-format.ts';
import { createRedactor } from './redact.ts';

export type LogFormat = 'human' | 'json';

/** Fields, or a function that is called only if the line is printed. */
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

/** The logger of a process. Its level applies to all children and can change at any time. */
export interface RootLogger extends Logger {
  level: LogLevel;
}

export interface LoggerOptions {
  /** Default `human`. */
  readonly format?: LogFormat;
  /** Least severe level to print, default `info`. */
  readonly level?: LogLevel;
  /** Texts that are masked in every line. */
  readonly secrets?: readonly string[];
  /** Receives whole lines with their newline; default standard error. */
  readonly write?: (line: string) => void;
  /** Wall clock in milliseconds; default `Date.now`. */
  readonly nowMs?: () => number;
}

/** Makes a logger. Logging never throws. */
export function createLogger(options: LoggerOptions = {}): RootLogger {
  const redact = createRedactor(options.secrets ?? []);
  const format = options.format === 'json' ? formatJson : formatHuman;
  const write = options.write ?? writeToStandardError();
  const nowMs = options.nowMs ?? Date.now;
  const print = (level: LogLevel, message: string, fields: LogFields): void =>
    write(`${format({ timeMs: nowMs(), level, message, fields }, redact)}\n`);
  const threshold: Threshold = { level: options.level ?? 'info' };
  return {
    ...makeLogger(threshold, {}, print),
    get level() {
      return threshold.level;
    },
    set level(level) {
      threshold.level = level;
    },
  };
}

interface Threshold {
  level: LogLevel;
}

type Print = (level: LogLevel, message: string, fields: LogFields) => void;

function makeLogger(threshold: Threshold, base: LogFields, print: Print): Logger {
  const isEnabled = (candidate: LogLevel): boolean =>
    LOG_LEVELS.indexOf(candidate) >= LOG_LEVELS.indexOf(threshold.level);
  const method =
    (own: LogLevel) =>
    (message: string, fields?: LazyLogFields): void => {
      if (isEnabled(own)) print(own, message, { ...base, ...evaluate(fields) });
    };
  return {
    debug: method('debug'),
    info: method('info'),
    warn: method('warn'),
    error: method('error'),
    isEnabled,
    child: (fields) => makeLogger(threshold, { ...base, ...fields }, print),
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

/** Without a listener, EPIPE of a closed reader would end the process. */
function writeToStandardError(): (line: string) => void {
  process.stderr.on('error', ignore);
  return (line) => {
    process.stderr.write(line);
  };
}
