// `weft log-level`: shows or changes the daemon's log level.
import { LOG_LEVELS, type LogLevel, type LogLevelV1 } from '../../api/index.ts';
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { defineCommand } from '../command.ts';
import { ControlClient, JSON_OPTION, SOCKET_OPTION, socketPath } from '../client/control-client.ts';
import { EXIT_NO_DAEMON } from '../exit-codes.ts';
import { UsageError } from '../usage-error.ts';
import { printData } from '../output.ts';

export const logLevelCommand = defineCommand({
  name: 'log-level',
  synopsis: ['[debug|info|warn|error] [--json] [--socket PATH]'],
  about:
    'Prints the log level of the daemon, or changes it until the daemon ends. The flag --log-level is permanent.',
  verbs: Object.fromEntries(LOG_LEVELS.map((level) => [level, `log ${level} and more severe messages`])),
  options: { json: JSON_OPTION, socket: SOCKET_OPTION },
  examples: [
    ['weft log-level debug', 'log more'],
    ['weft log-level info', 'restore the default'],
  ],
  exitCodes: { [EXIT_NO_DAEMON]: 'no daemon answers' },
  maxArgs: 1,
  run: async ({ json, socket }, [level]) => {
    if (level !== undefined && !LOG_LEVELS.includes(level as LogLevel))
      throw new UsageError(`${JSON.stringify(level)} is no log level: give one of ${LOG_LEVELS.join(', ')}`);
    const client = new ControlClient(socketPath(socket));
    const answer = await client.request<LogLevelV1>(
      'log-level',
      level === undefined ? {} : { method: 'PUT', body: { level } },
    );
    printData(answer, { json, indent: 0, text: (safe) => `${safe.level}\n` });
    return EXIT_OK;
  },
});
