// The last hour as small plots (uPlot), each with its present value, or that under the pointer.
import uPlot from 'uplot';
import type { HistoryV1 } from '../../../api/index.ts';
import { bitRate, clockTime, count, milliseconds } from '../text.ts';
import { element, find, setAttribute } from './elements.ts';

type Values = HistoryV1['drift'];

interface Line {
  readonly name: string;
  readonly values: (history: HistoryV1) => Values;
}

interface ChartPlan {
  readonly title: string;
  readonly lines: readonly [Line, ...Line[]];
  readonly text: (value: number) => string;
}

const PLANS: readonly ChartPlan[] = [
  {
    title: 'Traffic of the overlay',
    lines: [
      { name: '↑', values: ({ txBytesPerSec }) => txBytesPerSec },
      { name: '↓', values: ({ rxBytesPerSec }) => rxBytesPerSec },
    ],
    text: bitRate,
  },
  {
    title: 'Mean round trip to peers',
    lines: [{ name: '', values: ({ rttMs }) => rttMs }],
    text: milliseconds,
  },
  {
    title: 'Peers that do not answer',
    lines: [{ name: '', values: ({ silentPeers }) => silentPeers }],
    text: count,
  },
  {
    title: 'Drift repaired',
    lines: [{ name: '', values: ({ drift }) => drift }],
    text: (value) => `${count(value)} objects`,
  },
];
const COLOURS = ['--own', '--second'] as const;
const CLASSES = ['first', 'second'] as const;
const HEIGHT_PX = 64;
const HOUR_SEC = 3600;

export class Charts {
  readonly #charts: readonly Chart[];

  constructor() {
    this.#charts = PLANS.map((plan) => new Chart(plan));
    find('charts').append(...this.#charts.map(({ figure }) => figure));
    const redraw = (): void => this.#charts.forEach((chart) => chart.rebuild());
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  }

  show(history: HistoryV1): void {
    for (const chart of this.#charts) chart.show(history);
  }
}

class Chart {
  readonly figure: HTMLElement;
  readonly #plan: ChartPlan;
  readonly #value = element('strong');
  readonly #plot = element('div', { class: 'plot', role: 'img' });
  #data: uPlot.AlignedData = [[]];
  #uplot: uPlot | undefined;

  constructor(plan: ChartPlan) {
    this.#plan = plan;
    this.figure = element('figure', {}, element('figcaption', {}, plan.title), this.#value, this.#plot);
    new ResizeObserver(() => this.#uplot?.setSize(this.#size())).observe(this.#plot);
  }

  show(history: HistoryV1): void {
    const lines = this.#plan.lines.map(({ values }) => [...values(history)]);
    const endSec = Date.parse(history.at) / 1000;
    const steps = lines[0]!.length;
    const times = Array.from({ length: steps }, (_, at) => endSec - (steps - 1 - at) * history.stepSec);
    this.#data = [times, ...lines];
    if (this.#uplot === undefined) this.rebuild();
    else this.#uplot.setData(this.#data);
    this.#showValues(undefined);
  }

  /** Colours are read when a plot is made. */
  rebuild(): void {
    this.#uplot?.destroy();
    this.#uplot = new uPlot(this.#options(), this.#data, this.#plot);
  }

  #options(): uPlot.Options {
    const colour = (name: string): string => getComputedStyle(this.figure).getPropertyValue(name).trim();
    return {
      ...this.#size(),
      legend: { show: false },
      axes: [{ show: false }, { show: false }],
      padding: [2, 0, 2, 0],
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: {
        x: { time: false, range: (_plot, _min, max) => [(max || 0) - HOUR_SEC, max || 1] },
        // A line of zeros lies at the bottom.
        y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.1 : 1] },
      },
      series: [
        {},
        ...this.#plan.lines.map((_, index) => ({
          stroke: colour(COLOURS[index]!),
          width: 1.5,
          points: { show: false },
          ...(index === 0 && { fill: `${colour(COLOURS[0])}22` }),
        })),
      ],
      hooks: { setCursor: [({ cursor }) => this.#showValues(cursor.idx ?? undefined)] },
    };
  }

  #size(): { readonly width: number; readonly height: number } {
    return { width: Math.max(1, this.#plot.clientWidth), height: HEIGHT_PX };
  }

  /** @param at - a step; `undefined`: the last one. */
  #showValues(at: number | undefined): void {
    const [times, ...lines] = this.#data as unknown as [number[], ...Values[]];
    const index = at ?? times.length - 1;
    const texts = lines.map((values, line) => {
      const value = values[index];
      const text = value === undefined || value === null ? '–' : this.#plan.text(value);
      return `${this.#plan.lines[line]!.name} ${text}`.trim();
    });
    const when =
      at === undefined || times.length === 0 ? '' : ` at ${clockTime(new Date(times[index]! * 1000))}`;
    const parts = texts.map((text, line) =>
      element('b', texts.length > 1 ? { class: CLASSES[line]! } : {}, text),
    );
    this.#value.replaceChildren(
      ...parts.flatMap((part, index_) => (index_ === 0 ? [part] : [' ', part])),
      element('span', { class: 'soft' }, when),
    );
    if (at === undefined)
      setAttribute(this.#plot, 'aria-label', `${this.#plan.title}, the last hour: now ${texts.join(' ')}`);
  }
}
