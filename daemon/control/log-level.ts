// GET and PUT /v1/log-level: the level of the running daemon. A restart restores the level of the
// options.
import { ControlError, type Endpoint } from './endpoint.ts';
import { LOG_LEVELS, type LogLevel, type LogLevelV1 } from '../../api/index.ts';

export const readLogLevelEndpoint: Endpoint = {
  method: 'GET',
  path: '/v1/log-level',
  summary: 'least severe level that is logged',
  handle: ({ log }) => ({ json: { level: log.level } satisfies LogLevelV1 }),
};

export const setLogLevelEndpoint: Endpoint = {
  method: 'PUT',
  path: '/v1/log-level',
  summary: 'changes the level until the daemon ends: {"level":"debug"}',
  handle: ({ log }, { body }) => {
    const level = (body as Partial<LogLevelV1> | null | undefined)?.level;
    if (!LOG_LEVELS.includes(level as LogLevel))
      throw new ControlError(
        400,
        'bad-level',
        `level ${JSON.stringify(level)}: must be one of ${LOG_LEVELS.join(', ')}`,
      );
    const before = log.level;
    log.level = level as LogLevel;
    if (before !== level)
      log.warn(`Set the log level to ${level} by request on the control socket`, { before });
    return { json: { level: log.level } satisfies LogLevelV1 };
  },
};
