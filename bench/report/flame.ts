// A flame graph as one SVG document without scripts: each box is a function, as wide as its share of all samples, above it what
// it called. The name and the share of a box are shown where the pointer rests.
import type { Stack } from '../stacks.ts';
import { escape } from './escape.ts';

export interface FlameOptions {
  readonly title: string;
  /** What was measured, where and how; one line. */
  readonly note: string;
}

interface Box {
  readonly name: string;
  weight: number;
  readonly children: Map<string, Box>;
}

const WIDTH = 1200;
const ROW = 17;
const HEADER = 52;
const MARGIN = 8;
/** Narrower boxes are left out with all above them. */
const LEAST_WIDTH = 0.6;
const CHARACTER = 6.4;
const FONT = 'font-family="Helvetica, Arial, sans-serif"';

/** @throws Error if there are no stacks. */
export function drawFlames(stacks: readonly Stack[], { title, note }: FlameOptions): string {
  const root = grow(stacks);
  if (root.weight === 0) throw new Error('A flame graph needs samples: the profiler saw none');
  const scale = (WIDTH - 2 * MARGIN) / root.weight;
  const rows: string[] = [];
  const depth = draw(root, { x: MARGIN, depth: 0, scale, all: root.weight, out: rows });
  const height = HEADER + depth * ROW + MARGIN;
  // Rows count from below: what is called lies upon its caller.
  const boxes = rows.map((row) =>
    row.replace(/Y(\d+)/g, (_, level) => String(height - MARGIN - Number(level) * ROW)),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}">
<rect width="100%" height="100%" fill="white"/>
<text x="${MARGIN}" y="22" ${FONT} font-size="16" font-weight="bold" fill="#222">${escape(title)}</text>
<text x="${MARGIN}" y="40" ${FONT} font-size="11" fill="#555">${escape(note)}</text>
<g ${FONT} font-size="11" fill="#222">
${boxes.join('\n')}
</g>
</svg>
`;
}

function grow(stacks: readonly Stack[]): Box {
  const root: Box = { name: '', weight: 0, children: new Map() };
  for (const { frames, weight } of stacks) {
    root.weight += weight;
    let box = root;
    for (const name of frames) {
      const child = box.children.get(name) ?? { name, weight: 0, children: new Map<string, Box>() };
      box.children.set(name, child);
      child.weight += weight;
      box = child;
    }
  }
  return root;
}

interface Placement {
  readonly x: number;
  readonly depth: number;
  /** Pixels of a unit of weight. */
  readonly scale: number;
  /** Weight of everything. */
  readonly all: number;
  readonly out: string[];
}

/** Draws what is in `box` from the left by name, so that two graphs compare. @returns how many rows are taken */
function draw(box: Box, placement: Placement): number {
  let { x } = placement;
  let most = placement.depth;
  for (const child of [...box.children.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const width = child.weight * placement.scale;
    if (width >= LEAST_WIDTH) {
      placement.out.push(drawBox(child, { ...placement, x }, width));
      most = Math.max(most, draw(child, { ...placement, x, depth: placement.depth + 1 }));
    }
    x += width;
  }
  return Math.max(most, placement.depth + (box.children.size > 0 ? 1 : 0));
}

function drawBox({ name, weight }: Box, { x, depth, all }: Placement, width: number): string {
  const share = `${((100 * weight) / all).toFixed(1)} %`;
  const room = Math.floor((width - 6) / CHARACTER);
  const label = name.length <= room ? name : room > 3 ? `${name.slice(0, room - 1)}…` : '';
  const box = `<rect x="${x.toFixed(1)}" y="Y${depth + 1}" width="${Math.max(0.5, width - 0.5).toFixed(1)}" height="${ROW - 1}" fill="${colourOf(name)}"/>`;
  const text = label && `<text x="${(x + 3).toFixed(1)}" y="Y${depth + 1}" dy="12">${escape(label)}</text>`;
  return `<g><title>${escape(name)}: ${share}</title>${box}${text}</g>`;
}

/** The same for the same name everywhere; pale, so that text stands out. */
function colourOf(name: string): string {
  let hash = 0;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)!) >>> 0;
  return `hsl(${20 + (hash % 40)} ${60 + (hash % 30)}% ${68 + (hash % 14)}%)`;
}
