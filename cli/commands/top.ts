// `weft top`: rates on the terminal, refreshed.
import { setTimeout as sleep } from 'node:timers/promises';
import type { CountersV1 } from '../../api/index.ts';
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { escapeStrings } from '../../lib/escape.ts';
import { defineCommand } from '../command.ts';
import { ControlClient, SOCKET_OPTION, socketPath } from '../client/control-client.ts';
import { EXIT_NO_DAEMON } from '../exit-codes.ts';
import { styleOf } from '../format/style.ts';
import { formatTop } from '../format/format-top.ts';
import { UsageError } from '../usage-error.ts';
import { printData, printText, redrawText } from '../output.ts';

export const topCommand = defineCommand({
  name: 'top',
  synopsis: ['[-d SECONDS] [-n COUNT] [--json] [--socket PATH]'],
  about:
    'Prints rates of the overlay devices, the underlay interface, the packet path and the daemon every second until Ctrl-C.',
  options: {
    delay: {
      type: 'string',
      short: 'd',
      value: 'SECONDS',
      default: '1',
      help: 'interval between samples (default: 1)',
    },
    count: { type: 'string', short: 'n', value: 'COUNT', help: 'end after COUNT samples' },
    json: { type: 'boolean', help: 'print the counters, one JSON document per line' },
    socket: SOCKET_OPTION,
  },
  examples: [
    ['weft top', 'show rates'],
    ['weft top -n 1 -d 10', 'measure ten seconds'],
  ],
  exitCodes: { [EXIT_NO_DAEMON]: 'no daemon answers' },
  run: async ({ delay, count, json, socket }) => {
    const [seconds, rounds] = [Number(delay), count === undefined ? Infinity : Number(count)];
    if (!(seconds > 0) || !(rounds > 0)) throw new UsageError('-d and -n of weft top need numbers above 0');
    const client = new ControlClient(socketPath(socket));
    const style = styleOf();
    const print = process.stdout.isTTY ? redrawText : printText;
    let before = await client.request<CountersV1>('counters');
    for (let round = 0; round < rounds; round++) {
      await sleep(seconds * 1000);
      const now = await client.request<CountersV1>('counters');
      if (json) printData(now, { json, indent: 0, text: String });
      else print(formatTop(escapeStrings(before), escapeStrings(now), style));
      before = now;
    }
    return EXIT_OK;
  },
});
