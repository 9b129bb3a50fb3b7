// The picture of the README: how weft's packet path does beside others, as ratios to the kernel's VXLAN.
import { formatMachine } from '../machine.ts';
import type { BenchRecord } from '../record.ts';
import { escape } from './escape.ts';
import { drawRows, ratioRowsOf } from './plots.ts';

/** Measures that it shows, if they were taken, and what they are called there. */
const SHOWN: Readonly<Record<string, string>> = {
  'tcp-cubic, wire': 'TCP, one stream, wire',
  'tcp-8-cubic, wire': 'TCP, 8 streams, wire',
  'tcp-cubic, uncut': 'TCP, one stream, uncut',
  'tcp-8-cubic, uncut': 'TCP, 8 streams, uncut',
  'udp-64-batch, wire': 'UDP, 64 bytes',
  'rr-1, wire': 'TCP, request and response',
};

const MARGIN = 14;
const HEADER = 62;
const FONT = 'font-family="Helvetica, Arial, sans-serif"';

/** An SVG document. @throws Error if no record has such measures. */
export function drawPicture(records: readonly BenchRecord[]): string {
  const record = records.find(({ benchmarks }) => benchmarks.some(({ benchmark }) => benchmark === 'path'));
  const path = record?.benchmarks.find(({ benchmark }) => benchmark === 'path');
  const measures = path?.measures.filter(({ name }) => Object.hasOwn(SHOWN, name)) ?? [];
  const rows = measures.flatMap((measure) => ratioRowsOf(measure, SHOWN[measure.name]!));
  if (record === undefined || rows.length === 0)
    throw new Error(
      `A picture needs benchmark path with some of ${Object.keys(SHOWN).join('; ')}, beside kernel-vxlan: run weft bench path`,
    );
  const plot = drawRows({
    axis: 'ratio to the kernel’s VXLAN of the same round (line: 1); more is better',
    rows,
    mark: 1,
  });
  const [, width = '860', height = '400'] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(plot) ?? [];
  const full = { width: Number(width) + 2 * MARGIN, height: Number(height) + HEADER + MARGIN };
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${full.width} ${full.height}" width="${full.width}" height="${full.height}">
<rect width="100%" height="100%" fill="white"/>
<text x="${MARGIN}" y="28" ${FONT} font-size="18" font-weight="bold" fill="#222">Between containers: weft beside other tunnels</text>
<text x="${MARGIN}" y="48" ${FONT} font-size="11" fill="#555">Median and range of rounds, ${record.takenAt.slice(0, 10)}. ${escape(formatMachine(record.machine))}</text>
<svg x="${MARGIN}" y="${HEADER}" width="${width}" height="${height}">${plot}</svg>
</svg>
`;
}
