// `weft top`: rates on the terminal, refreshed. On a terminal keys end it, sort and explain.
import type { CountersV1 } from '../../api/index.ts';
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { escapeStrings } from '../../lib/escape.ts';
import { defineCommand } from '../command.ts';
import { ControlClient, SOCKET_OPTION, socketPath } from '../client/control-client.ts';
import { TerminalKeys } from '../client/terminal-keys.ts';
import { EXIT_NO_DAEMON } from '../exit-codes.ts';
import { styleOf } from '../format/style.ts';
import { formatTop, SORTS, type TopSort } from '../format/format-top.ts';
import { UsageError } from '../usage-error.ts';
import { printData, printText, redrawText } from '../output.ts';

export const topCommand = defineCommand({
  name: 'top',
  synopsis: ['[-d SECONDS] [-n COUNT] [--sort COLUMN] [--json] [--socket PATH]'],
  about:
    'Prints rates of the overlay devices, the underlay interface, the packet path and the daemon every second. On a terminal the\n' +
    'keys q (end), s (sort by another column) and ? (explain) work.',
  options: {
    delay: {
      type: 'string',
      short: 'd',
      value: 'SECONDS',
      default: '1',
      help: 'interval between samples (default: 1)',
    },
    sort: { type: 'string', choices: SORTS, default: 'name', help: `order of devices: ${SORTS.join(', ')}` },
    count: { type: 'string', short: 'n', value: 'COUNT', help: 'end after COUNT samples' },
    json: { type: 'boolean', help: 'print the counters, one JSON document per line' },
    socket: SOCKET_OPTION,
  },
  examples: [
    ['weft top', 'show rates'],
    ['weft top -n 1 -d 10', 'measure ten seconds'],
  ],
  exitCodes: { [EXIT_NO_DAEMON]: 'no daemon answers' },
  run: async ({ delay, count, json, socket, sort }) => {
    const [seconds, rounds] = [Number(delay), count === undefined ? Infinity : Number(count)];
    if (!(seconds > 0) || !(rounds > 0)) throw new UsageError('-d and -n of weft top need numbers above 0');
    const client = new ControlClient(socketPath(socket));
    const print = process.stdout.isTTY && !json ? redrawText : printText;
    const screen: TopScreen = { sort: sort as TopSort, isHelp: false };
    let before = await client.request<CountersV1>('counters');
    let shown: readonly [before: CountersV1, now: CountersV1] | undefined;
    const draw = (): void => {
      if (shown === undefined) return;
      const [from, to] = shown;
      const options = { ...screen, columns: process.stdout.columns };
      print(formatTop(escapeStrings(from), escapeStrings(to), styleOf(), options));
    };
    const keys = new TerminalKeys((key) => {
      pressKey(screen, key);
      draw();
    });
    try {
      for (let round = 0; round < rounds; round++) {
        if (await keys.pause(seconds * 1000)) break;
        const now = await client.request<CountersV1>('counters');
        if (json) printData(now, { json, indent: 0, text: String });
        shown = [before, now];
        if (!json) draw();
        before = now;
      }
      return EXIT_OK;
    } finally {
      keys.close();
    }
  },
});

interface TopScreen {
  sort: TopSort;
  isHelp: boolean;
}

function pressKey(screen: TopScreen, key: string): void {
  screen.isHelp = key === '?' && !screen.isHelp;
  if (key === 's') screen.sort = SORTS[(SORTS.indexOf(screen.sort) + 1) % SORTS.length]!;
}
