// The table of peers. Rows are kept by key, so that selection and focus survive a refresh, and only
// those in sight exist: their height is fixed.
import { bitRate, count, duration, milliseconds } from '../text.ts';
import {
  FIRST_ORDER,
  STATE_TEXTS,
  TRANSPORTS,
  matches,
  sorted,
  type Column,
  type Order,
  type Row,
} from '../peer-rows.ts';
import { element, find, setAttribute, setText } from './elements.ts';

const COLUMNS: readonly { readonly id: Column; readonly text: string; readonly isDescendingFirst?: true }[] =
  [
    { id: 'name', text: 'Subnet' },
    { id: 'address', text: 'Host' },
    { id: 'state', text: 'State', isDescendingFirst: true },
    { id: 'rtt', text: 'Round trip', isDescendingFirst: true },
    { id: 'traffic', text: 'Traffic', isDescendingFirst: true },
    { id: 'transport', text: 'Transport' },
    { id: 'since', text: 'Since' },
  ];
/** Rows beside those in sight, on both sides. */
const MARGIN_ROWS = 10;
/** `--row` of the style. */
const ROW_PX = 46;

export class PeerTable {
  readonly #scroll = find('scroll');
  readonly #body = find('rows');
  readonly #gaps = [gap(), gap()] as const;
  readonly #made = new Map<string, RowElement>();
  #order: Order = FIRST_ORDER;
  #all: readonly Row[] = [];
  #shown: readonly Row[] = [];
  #atMs = 0;
  #chosen = '';

  constructor() {
    const [head] = this.#scroll.querySelectorAll('thead tr');
    head!.append(...COLUMNS.map(({ id, text }) => this.#headCell(id, text)));
    for (const id of ['search', 'bad-only']) find(id).addEventListener('input', () => this.#arrange());
    this.#scroll.addEventListener('scroll', () => this.#render(), { passive: true });
    addEventListener('resize', () => this.#render());
  }

  /** @param atMs - the time of the data. */
  show(rows: readonly Row[], atMs: number): void {
    [this.#all, this.#atMs] = [rows, atMs];
    const hasTraffic = rows.some(({ rate, peer }) => rate ?? peer.traffic ?? peer.wireguard);
    find('no-traffic').hidden = hasTraffic || rows.length === 0;
    this.#scroll.classList.toggle('without-traffic', !hasTraffic);
    this.#arrange();
  }

  /** Marks a row, and brings it into sight if it is not. */
  choose(key: string): void {
    this.#chosen = key;
    const at = this.#shown.findIndex((row) => row.key === key);
    if (at >= 0) {
      const { scrollTop, clientHeight } = this.#scroll;
      const top = at * ROW_PX;
      if (top < scrollTop || top + 2 * ROW_PX > scrollTop + clientHeight)
        this.#scroll.scrollTop = top - clientHeight / 2;
    }
    this.#render();
  }

  #headCell(id: Column, text: string): HTMLElement {
    const button = element('button', { type: 'button' }, text);
    button.addEventListener('click', () => this.#sortBy(id));
    return element('th', { scope: 'col', class: id, 'data-column': id }, button);
  }

  #sortBy(column: Column): void {
    const isSame = this.#order.column === column;
    const first = COLUMNS.find(({ id }) => id === column)!.isDescendingFirst === true;
    this.#order = { column, isDescending: isSame ? !this.#order.isDescending : first };
    this.#arrange();
  }

  /** The order of the rows; equal rows keep their places, so that a refresh does not stir them. */
  #arrange(): void {
    const query = (find('search') as HTMLInputElement).value.trim().toLowerCase();
    const isBadOnly = (find('bad-only') as HTMLInputElement).checked;
    this.#shown = sorted(
      this.#all.filter((row) => matches(row, query, isBadOnly)),
      this.#order,
    );
    const { column, isDescending } = this.#order;
    for (const cell of this.#scroll.querySelectorAll('th'))
      setAttribute(
        cell,
        'aria-sort',
        cell.dataset['column'] === column ? (isDescending ? 'descending' : 'ascending') : undefined,
      );
    setText(
      find('found'),
      this.#shown.length === this.#all.length
        ? ''
        : `${count(this.#shown.length)} of ${count(this.#all.length)} peers`,
    );
    this.#render();
  }

  #render(): void {
    const { scrollTop, clientHeight } = this.#scroll;
    const total = this.#shown.length;
    const from = Math.max(0, Math.min(total, Math.floor(scrollTop / ROW_PX)) - MARGIN_ROWS);
    const to = Math.min(total, Math.ceil((scrollTop + clientHeight) / ROW_PX) + MARGIN_ROWS);
    setAttribute(this.#scroll.querySelector('table')!, 'aria-rowcount', total + 1);
    const rows = this.#shown.slice(from, to).map((row, index) => {
      const made = this.#rowOf(row);
      made.update(row, this.#atMs, row.key === this.#chosen);
      setAttribute(made.row, 'aria-rowindex', from + index + 2);
      return made.row;
    });
    setGap(this.#gaps[0], from);
    setGap(this.#gaps[1], total - to);
    place(this.#body, [this.#gaps[0], ...rows, this.#gaps[1]]);
    const kept = new Set<Element>(rows);
    for (const [key, { row }] of this.#made) if (!kept.has(row)) this.#made.delete(key);
  }

  #rowOf({ key }: Row): RowElement {
    const known = this.#made.get(key) ?? new RowElement(key);
    this.#made.set(key, known);
    return known;
  }
}

/** One row. Its elements stay; texts change where they differ. */
class RowElement {
  readonly row: HTMLTableRowElement;
  readonly #link: HTMLAnchorElement;
  readonly #host = element('small', { class: 'narrow' });
  readonly #address = element('td', { class: 'address' });
  readonly #state = element('span');
  readonly #reason = element('small');
  readonly #rtt = element('td', { class: 'rtt' });
  readonly #traffic = element('td', { class: 'traffic' });
  readonly #transport = element('td', { class: 'transport' });
  readonly #since = element('td', { class: 'since' });

  constructor(key: string) {
    this.#link = element('a', { href: `#${encodeURIComponent(key)}` });
    this.row = element(
      'tr',
      {},
      element('td', { class: 'name' }, this.#link, this.#host),
      this.#address,
      element('td', { class: 'state' }, this.#state, this.#reason),
      this.#rtt,
      this.#traffic,
      this.#transport,
      this.#since,
    );
    this.row.addEventListener('click', (event) => {
      const isText = getSelection()?.type === 'Range';
      if (!isText && !(event.target instanceof HTMLAnchorElement)) this.#link.click();
    });
  }

  update({ name, address, state, reason, rttMs, rate, peer }: Row, atMs: number, isChosen: boolean): void {
    setAttribute(this.row, 'class', isChosen ? 'is-chosen' : undefined);
    setAttribute(this.row, 'aria-current', isChosen ? 'true' : undefined);
    setText(this.#link, name);
    setText(this.#host, address);
    setText(this.#address, address);
    setAttribute(this.#state, 'class', state);
    setText(this.#state, `● ${STATE_TEXTS[state]}`);
    setText(this.#reason, reason);
    setAttribute(this.#reason, 'title', reason || undefined);
    setText(this.#rtt, rttMs === undefined ? '–' : milliseconds(rttMs));
    setText(this.#traffic, rate === undefined ? '–' : `↑ ${bitRate(rate.tx)} ↓ ${bitRate(rate.rx)}`);
    setText(this.#transport, TRANSPORTS[peer.mode]);
    setText(this.#since, duration(atMs - Date.parse(peer.since)));
  }
}

/** Stands for rows out of sight. */
function gap(): HTMLTableRowElement {
  return element('tr', { 'aria-hidden': 'true' }, element('td', { class: 'gap' }));
}

function setGap(row: HTMLTableRowElement, rows: number): void {
  row.hidden = rows === 0;
  row.cells[0]!.style.height = `${rows * ROW_PX}px`;
}

/** Makes `wanted` the children, without touching those that are in place: they keep focus. */
function place(parent: Element, wanted: readonly Element[]): void {
  const kept = new Set(wanted);
  for (const child of Array.from(parent.children)) if (!kept.has(child)) child.remove();
  for (const [index, child] of wanted.entries())
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
}
