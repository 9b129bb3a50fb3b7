// This host in the middle, its peers on rings around it, lines coloured by state.
import type { ClusterV1 } from '../../../api/index.ts';
import { count } from '../text.ts';
import { isBad, rankOf, STATE_TEXTS, type Row, type RowState } from '../peer-rows.ts';
import { element, find, setAttribute, setText, shape } from './elements.ts';

/** Up to this number of hosts, the picture has their names. */
const FEW = 24;
/** Up to this number of hosts, one ring has them. */
const ONE_RING = 60;
const CENTRE = 400;
const OUTER = 385;
const INNER = 120;

interface Point {
  readonly x: number;
  readonly y: number;
}

let drawn = '';

export function showMap(status: ClusterV1['status'], rows: readonly Row[], chosen: string): void {
  const now = JSON.stringify([rows.map(({ key, state }) => [key, state]), status.lease, chosen]);
  if (now === drawn) return;
  drawn = now;
  const places = placesFor(rows.length);
  // Hosts with problems last, so that they are on top.
  const order = rows.map((_, at) => at).sort((a, b) => rankOf(rows[a]!.state) - rankOf(rows[b]!.state));
  const map = find('map');
  setAttribute(map, 'viewBox', viewBoxFor(rows.length));
  setAttribute(map, 'class', rows.length > ONE_RING ? 'many' : '');
  map.replaceChildren(
    ...order.map((at) => {
      const { x, y } = places[at]!;
      return shape('line', { class: rows[at]!.state, x1: CENTRE, y1: CENTRE, x2: x, y2: y });
    }),
    ...ownShapes(status, rows.length),
    ...order.map((at) => hostShape(rows[at]!, places[at]!, rows.length, chosen)),
  );
  setText(find('summary'), summaryOf(rows));
}

/** Less height where all hosts lie in one line. */
function viewBoxFor(total: number): string {
  if (total <= 2) return '40 290 720 220';
  return total <= FEW ? '0 140 800 520' : '0 0 800 800';
}

function summaryOf(rows: readonly Row[]): string {
  if (rows.length === 0) return 'No other host has a lease.';
  const counts = (Object.keys(STATE_TEXTS) as RowState[]).flatMap((state) => {
    const number = rows.filter((row) => row.state === state).length;
    return number === 0 ? [] : [`${count(number)} ${STATE_TEXTS[state]}`];
  });
  return `${count(rows.length)} other hosts: ${counts.join(', ')}.`;
}

/** One ring for few hosts, more for many. */
function placesFor(total: number): Point[] {
  const isFlat = total <= FEW;
  if (total <= ONE_RING)
    return Array.from({ length: total }, (_, at) => pointAt(isFlat ? 300 : 370, at / total, isFlat));
  const gap = gapOf(total);
  const rings: { radius: number; most: number }[] = [];
  let room = 0;
  for (let radius = OUTER; radius > INNER / 2 && room < total; radius -= gap) {
    const most = Math.floor((2 * Math.PI * radius) / gap);
    rings.push({ radius, most });
    room += most;
  }
  // Each ring gets hosts in proportion to its capacity.
  let left = total;
  return rings.toReversed().flatMap(({ radius, most }, ring) => {
    const share = ring === rings.length - 1 ? left : Math.min(left, Math.round(most * (total / room)));
    left -= share;
    return Array.from({ length: share }, (_, at) => pointAt(radius, (at + (ring % 2) / 2) / share));
  });
}

/** Distance between hosts at which they fill the area between the outermost and the innermost ring. */
function gapOf(total: number): number {
  return Math.sqrt((Math.PI * (OUTER * OUTER - INNER * INNER)) / total);
}

/** Few hosts lie on an ellipse, the first one to the right, so that their names do not overlap. */
function pointAt(radius: number, turn: number, isFlat = false): Point {
  const angle = turn * 2 * Math.PI;
  const height = isFlat ? 0.62 : 1;
  return { x: CENTRE + radius * Math.cos(angle), y: CENTRE + radius * height * Math.sin(angle) };
}

function sizeOf(total: number): number {
  return total <= FEW ? 13 : total <= ONE_RING ? 9 : Math.min(7, 0.3 * gapOf(total));
}

function ownShapes({ lease }: ClusterV1['status'], total: number): SVGElement[] {
  const circle = shape('circle', { class: 'own', cx: CENTRE, cy: CENTRE, r: 22 });
  if (total > ONE_RING) return [circle];
  return [
    circle,
    shape('text', { x: CENTRE, y: 442 }, 'this host'),
    shape('text', { x: CENTRE, y: 459, class: 'soft' }, lease?.ipv4 ?? lease?.ipv6 ?? ''),
  ];
}

/** A link to its row. Beyond one ring the keyboard goes by the table, which has the same. */
function hostShape(row: Row, { x, y }: Point, total: number, chosen: string): SVGElement {
  const text = `${row.name} on ${row.address}: ${row.reason || STATE_TEXTS[row.state]}`;
  const link = shape('a', {
    href: `#${encodeURIComponent(row.key)}`,
    class: row.key === chosen ? 'is-chosen' : undefined,
    ...(total > ONE_RING && { tabindex: -1, 'aria-hidden': 'true' }),
  });
  const r = isBad(row.state) ? sizeOf(total) * 1.4 : sizeOf(total);
  link.append(shape('title', {}, text), shape('circle', { class: row.state, cx: x, cy: y, r }));
  if (total <= FEW) {
    const [first, second] = y > 420 ? [34, 51] : [-40, -23];
    link.append(
      shape('text', { x, y: y + first }, row.peer.ipv4 ?? row.peer.ipv6 ?? ''),
      shape('text', { x, y: y + second, class: 'soft' }, row.address),
    );
  }
  return link;
}

/** What a peer is and has, below the table. */
export function showDetails(facts: readonly (readonly [term: string, value: string])[], title: string): void {
  const section = find('details');
  section.hidden = facts.length === 0;
  setText(find('details-title'), title);
  const list = section.querySelector('dl')!;
  const now = facts.flat().join('\n');
  if (list.dataset['shown'] === now) return;
  list.dataset['shown'] = now;
  list.replaceChildren(
    ...facts.map(([term, value]) => element('div', {}, element('dt', {}, term), element('dd', {}, value))),
  );
}
