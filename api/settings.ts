// `GET /v1/options`, and `GET` and `PUT /v1/log-level`.
import type { CONTROL_VERSION } from './version.ts';

/** Every log level, least severe first. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** `GET /v1/log-level`, and `PUT` with the same shape to change it. */
export interface LogLevelV1 {
  /** Least severe level that is logged. */
  readonly level: LogLevel;
}

/** `GET /v1/options` */
export interface OptionsV1 {
  readonly version: typeof CONTROL_VERSION;
  readonly at: string;
  /** The members of `DaemonOptions`. For people: members may change. Passwords are masked. */
  readonly options: Readonly<Record<string, unknown>>;
}
