// A screen of `weft top`: rates between two samples of the counters. Pure.
import type { CountersV1, DeviceCountersV1 } from '../../api/index.ts';
import { formatBytes, formatDuration } from './duration.ts';
import type { Style } from './style.ts';
import { formatTable, widthOf } from './table.ts';

/** What devices are ordered by. */
export const SORTS = ['name', 'received', 'sent', 'lost'] as const;
export type TopSort = (typeof SORTS)[number];

export interface TopOptions {
  readonly sort?: TopSort;
  /** Explain keys and columns instead. */
  readonly isHelp?: boolean;
  /** Of the terminal; default 80. */
  readonly columns?: number | undefined;
}

const HELP = `q  end
s  sort devices by the next of name, received, sent, lost
?  explain, and back

RECEIVED, SENT    bits a second that a device carries, of the overlay without encapsulation
PACKETS/S, LOST/S packets a second; LOST has drops and errors of both directions
PACKET PATH       counters of weft's own packet path, those above zero
kernel            runs of the reconciler, changes that it made, changes by others, failures
`;

/** Rates between `before` and `now`, two samples of one daemon. */
export function formatTop(
  before: CountersV1,
  now: CountersV1,
  style: Style,
  { sort = 'name', isHelp = false, columns = 80 }: TopOptions = {},
): string {
  if (isHelp) return HELP;
  const seconds = Math.max(0.001, (now.uptimeMs - before.uptimeMs) / 1000);
  const cpu = Math.round((now.daemon.cpuMs - before.daemon.cpuMs) / seconds / 10);
  const { peers, registry } = now;
  const problems = [
    peers.pending > 0 && style.warn(`${peers.pending} pending`),
    peers.errors > 0 && style.bad(`${peers.errors} in error`),
    !registry.isConnected && style.bad('registry unreachable'),
  ].filter(Boolean);
  const head = [
    `${style.bold('weft')} up ${formatDuration(now.uptimeMs)}`,
    `CPU ${cpu} %`,
    formatBytes(now.daemon.memoryBytes),
    style.good(`${peers.inSync} of ${peers.total} peers programmed`),
    ...problems,
    `revision ${registry.revision}`,
  ];
  const parts = [devicesTable, pathsTable, kernelLine].map((part) =>
    part(before, now, { seconds, style, sort, columns }),
  );
  const lines = wrap(head as readonly string[], columns);
  return `${[lines, ...parts.filter((part) => part !== '')].join('\n\n').trimEnd()}\n`;
}

interface PartOptions {
  readonly seconds: number;
  readonly style: Style;
  readonly sort: TopSort;
  readonly columns: number;
}

type Part = (before: CountersV1, now: CountersV1, options: PartOptions) => string;

/** Pieces two spaces apart, in as many lines as the terminal needs. */
function wrap(pieces: readonly string[], columns: number): string {
  const lines: string[] = [];
  for (const piece of pieces) {
    const line = lines.at(-1);
    if (line === undefined || widthOf(line) + 2 + widthOf(piece) > columns) lines.push(piece);
    else lines[lines.length - 1] = `${line}  ${piece}`;
  }
  return lines.join('\n');
}

const devicesTable: Part = (before, now, { seconds, style, sort }) => {
  const rates = Object.entries(now.devices).map(([name, counters]) => {
    const rate = (field: keyof DeviceCountersV1): number =>
      Math.max(0, (counters[field] - (before.devices[name]?.[field] ?? counters[field])) / seconds);
    const lost = rate('rxDropped') + rate('txDropped') + rate('rxErrors') + rate('txErrors');
    const [received, sent] = [rate('rxBytes'), rate('txBytes')];
    const packets = [formatCount(rate('rxPackets')), formatCount(rate('txPackets'))] as const;
    const row = [name, formatBits(received), packets[0], formatBits(sent), packets[1], formatCount(lost)];
    return { received, sent, lost, row };
  });
  // The overlay's devices come first by themselves.
  const sorted = sort === 'name' ? rates : rates.toSorted((a, b) => b[sort] - a[sort]);
  const rows = sorted.map(({ row }) => row);
  const heading = ['DEVICE', 'RECEIVED', 'PACKETS/S', 'SENT', 'PACKETS/S', 'LOST/S'];
  return titled([heading, ...rows], [1, 2, 3, 4, 5], style);
};

const pathsTable: Part = (before, now, { seconds, style }) => {
  const rows = Object.entries(now.paths).flatMap(([device, counters]) =>
    Object.entries(counters).flatMap(([name, value]) => {
      const rate = Math.max(0, (value - (before.paths[device]?.[name] ?? value)) / seconds);
      return value === 0 ? [] : [[`${device} ${name}`, formatCount(rate), formatCount(value)]];
    }),
  );
  return rows.length === 0 ? '' : titled([['PACKET PATH', '/S', 'TOTAL'], ...rows], [1, 2], style);
};

const kernelLine: Part = (before, now, { columns }) => {
  const since = (field: keyof CountersV1['kernel']): string =>
    `${formatCount(now.kernel[field])} (+${formatCount(Math.max(0, now.kernel[field] - before.kernel[field]))})`;
  return wrap(
    [
      'kernel',
      `runs ${since('runs')}`,
      `steps ${since('steps')}`,
      `changed by others ${since('drift')}`,
      `failed ${since('failures')}`,
    ],
    columns,
  );
};

function titled(rows: readonly (readonly string[])[], right: readonly number[], style: Style): string {
  const [first = '', ...lines] = formatTable(rows, { right }).trimEnd().split('\n');
  return [style.dim(first), ...lines].join('\n');
}

/** A rate in bytes as bits a second, for example `1.2 Mbit/s`. */
function formatBits(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond * 8).replace(/B$/, 'bit')}/s`;
}

/** At most four digits: `1.5`, `1200`, `12 k`, `3.4 M`. */
function formatCount(count: number): string {
  if (count < 10 && !Number.isInteger(count)) return count.toFixed(1);
  if (count < 10_000) return String(Math.round(count));
  const units = ['k', 'M', 'G', 'T', 'P'];
  let value = count / 1000;
  let index = 0;
  for (; value >= 1000 && index < units.length - 1; index++) value /= 1000;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[index]}`;
}
