// `weft watch`: what happens, as it happens.
import type { EventV1 } from '../../api/index.ts';
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { defineCommand } from '../command.ts';
import { ControlClient, NoDaemonError, SOCKET_OPTION, socketPath } from '../client/control-client.ts';
import { EXIT_NO_DAEMON } from '../exit-codes.ts';
import { styleOf } from '../format/style.ts';
import { UsageError } from '../usage-error.ts';
import { formatEvent } from '../format/format-watch.ts';

const TOPICS = ['health', 'lease', 'peer', 'kernel', 'config', 'registry'] as const;

export const watchCommand = defineCommand({
  name: 'watch',
  synopsis: ['[-n COUNT] [--once] [--topic TOPIC]... [--json] [--socket PATH]'],
  about: `A line for each thing that happens: leases that come and go, kernel entries that somebody changed and their repair, config that
comes into force or is refused, the registry lost and found, this host's health. Ends with Ctrl-C.`,
  options: {
    last: {
      type: 'string',
      short: 'n',
      value: 'COUNT',
      help: 'begin with the last COUNT events, 256 at most',
    },
    once: { type: 'boolean', help: 'end behind those instead of waiting for more' },
    topic: {
      type: 'string',
      multiple: true,
      choices: TOPICS,
      help: `only these: ${TOPICS.join(', ')}; may be repeated`,
    },
    json: { type: 'boolean', help: 'one JSON document a line, as docs/reference/control-socket.md describes it' },
    socket: SOCKET_OPTION,
  },
  examples: [
    ['weft watch', 'see it work'],
    ['weft watch -n 20 --once', 'what happened lately?'],
    ['weft watch --topic kernel', 'who changes my routes, and when?'],
  ],
  exitCodes: { [EXIT_NO_DAEMON]: 'no daemon answers, or it ended' },
  run: async ({ last = '0', once, topic, json, socket }) => {
    if (!/^\d{1,6}$/.test(last))
      throw new UsageError(`-n ${JSON.stringify(last)}: must be a number of events`);
    const style = styleOf();
    const path = socketPath(socket);
    const query = `events?last=${last}${once ? '&follow=0' : ''}`;
    for await (const event of eventsAt(path, query)) {
      if (topic.length > 0 && !topic.includes(event.topic)) continue;
      process.stdout.write(json ? `${JSON.stringify(event)}\n` : formatEvent(event, style));
    }
    if (once) return EXIT_OK;
    throw new NoDaemonError('not-running', `The daemon on ${path} ended`);
  },
});

async function* eventsAt(path: string, query: string): AsyncGenerator<EventV1> {
  try {
    yield* new ControlClient(path).follow<EventV1>(query);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNRESET')
      throw new NoDaemonError('not-running', `The daemon on ${path} ended`);
    throw error;
  }
}
