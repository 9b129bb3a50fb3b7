// A screen of `weft top`: rates between two samples of the counters. Pure.
import type { CountersV1, DeviceCountersV1 } from '../../api/index.ts';
import { formatBytes, formatDuration } from './duration.ts';
import type { Style } from './style.ts';
import { formatTable } from './table.ts';

/** Rates between `before` and `now`, two samples of one daemon. */
export function formatTop(before: CountersV1, now: CountersV1, style: Style): string {
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
  ].join('  ');
  const parts = [devicesTable, pathsTable, kernelLine].map((part) => part(before, now, seconds, style));
  return `${[head, ...parts.filter((part) => part !== '')].join('\n\n').trimEnd()}\n`;
}

type Part = (before: CountersV1, now: CountersV1, seconds: number, style: Style) => string;

const devicesTable: Part = (before, now, seconds, style) => {
  const rows = Object.entries(now.devices).map(([name, counters]) => {
    const rate = (field: keyof DeviceCountersV1): number =>
      Math.max(0, (counters[field] - (before.devices[name]?.[field] ?? counters[field])) / seconds);
    const lost = rate('rxDropped') + rate('txDropped') + rate('rxErrors') + rate('txErrors');
    return [
      name,
      formatBits(rate('rxBytes')),
      formatCount(rate('rxPackets')),
      formatBits(rate('txBytes')),
      formatCount(rate('txPackets')),
      formatCount(lost),
    ];
  });
  const heading = ['DEVICE', 'RECEIVED', 'PACKETS/S', 'SENT', 'PACKETS/S', 'LOST/S'];
  return titled([heading, ...rows], [1, 2, 3, 4, 5], style);
};

const pathsTable: Part = (before, now, seconds, style) => {
  const rows = Object.entries(now.paths).flatMap(([device, counters]) =>
    Object.entries(counters).flatMap(([name, value]) => {
      const rate = Math.max(0, (value - (before.paths[device]?.[name] ?? value)) / seconds);
      return value === 0 ? [] : [[`${device} ${name}`, formatCount(rate), String(value)]];
    }),
  );
  return rows.length === 0 ? '' : titled([['PACKET PATH', '/S', 'TOTAL'], ...rows], [1, 2], style);
};

const kernelLine: Part = (before, now) => {
  const since = (field: keyof CountersV1['kernel']): string =>
    `${now.kernel[field]} (+${now.kernel[field] - before.kernel[field]})`;
  return `kernel  runs ${since('runs')}  steps ${since('steps')}  changed by others ${since('drift')}  failed ${since('failures')}`;
};

function titled(rows: readonly (readonly string[])[], right: readonly number[], style: Style): string {
  const [first = '', ...lines] = formatTable(rows, { right }).trimEnd().split('\n');
  return [style.dim(first), ...lines].join('\n');
}

/** A rate in bytes as bits a second, for example `1.2 Mbit/s`. */
function formatBits(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond * 8).replace(/B$/, 'bit')}/s`;
}

function formatCount(rate: number): string {
  return rate < 10 && rate > 0 ? rate.toFixed(1) : String(Math.round(rate));
}
