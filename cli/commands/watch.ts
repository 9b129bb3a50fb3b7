// `weft watch`: prints events as they happen.
import type { EventV1 } from '../../api/index.ts';
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { defineCommand } from '../command.ts';
import { ControlClient, NoDaemonError, SOCKET_OPTION, socketPath } from '../client/control-client.ts';
import { EXIT_NO_DAEMON } from '../exit-codes.ts';
import { styleOf } from '../format/style.ts';
import { UsageError } from '../usage-error.ts';
import { formatEvent } from '../format/format-watch.ts';
import { printData } from '../output.ts';

const TOPICS = ['health', 'lease', 'peer', 'kernel', 'config', 'registry'] as const;

export const watchCommand = defineCommand({
  name: 'watch',
  synopsis: ['[-n COUNT] [--once] [--topic TOPIC]... [--json] [--socket PATH]'],
  about: `Prints one line per event: added and removed leases, drift of the kernel and its repair, applied and rejected configs,
connection to the registry, health of this host. Ends with Ctrl-C.`,
  options: {
    last: {
      type: 'string',
      short: 'n',
      value: 'COUNT',
      help: 'start with the last COUNT events, at most 256',
    },
    once: { type: 'boolean', help: 'end after those events' },
    topic: {
      type: 'string',
      multiple: true,
      choices: TOPICS,
      help: `only this topic: ${TOPICS.join(', ')}; may be repeated`,
    },
    json: { type: 'boolean', help: 'print one JSON document per line (docs/reference/control-socket.md)' },
    socket: SOCKET_OPTION,
  },
  examples: [
    ['weft watch', 'follow events'],
    ['weft watch -n 20 --once', 'print the last 20 events'],
    ['weft watch --topic kernel', 'follow changes of kernel state'],
  ],
  exitCodes: { [EXIT_NO_DAEMON]: 'no daemon answers, or the daemon ended' },
  run: async ({ last = '0', once, topic, json, socket }) => {
    if (!/^\d{1,6}$/.test(last))
      throw new UsageError(`-n ${JSON.stringify(last)}: must be a number of events`);
    const style = styleOf();
    const path = socketPath(socket);
    const query = `events?last=${last}${once ? '&follow=0' : ''}`;
    for await (const event of eventsAt(path, query)) {
      if (topic.length > 0 && !topic.includes(event.topic)) continue;
      printData(event, { json, indent: 0, text: (safe) => formatEvent(safe, style) });
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
