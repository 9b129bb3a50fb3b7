// Results as SVG: a row for each subject with its median, the range of its rounds and its ratio to the reference. Plots are
// drawn by @observablehq/plot on a document of linkedom, so no browser is needed.
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { Measure, Subject } from '../record.ts';
import { median, ratiosOf, valuesOf } from '../statistics.ts';
import { formatNumber } from '../summary.ts';

/** One mark: a subject of a measure. */
export interface Row {
  /** Of rows that stand together. */
  readonly facet: string;
  readonly label: string;
  readonly kind: 'own' | 'reference' | 'other';
  readonly median: number;
  readonly least: number;
  readonly most: number;
  /** Beside the mark. */
  readonly text: string;
}

export interface PlotOptions {
  /** Of the axis, with the unit. */
  readonly axis: string;
  readonly rows: readonly Row[];
  /** A line across at this value. */
  readonly mark?: number;
}

const WIDTH = 860;
const ROW_HEIGHT = 22;
const CHARACTER_WIDTH = 6.6;
/** From this quotient of the largest and the smallest value on, the axis is logarithmic; it has no 0 that bars could start from. */
const LOG_FROM = 30;
/** Distinct for every colour vision, and in print by their lightness (Okabe and Ito). */
const COLOURS = { own: '#0072b2', reference: '#000000', other: '#8a8a8a' } as const;

/** Rows of the subjects of a measure that have values. */
export function rowsOf(measure: Measure): Row[] {
  return measure.subjects
    .filter((subject) => valuesOf(subject).length > 0)
    .map((subject) => {
      const ratios = ratiosOf(measure, subject);
      const beside = ratios.length === 0 ? '' : `  (×${formatNumber(median(ratios))})`;
      return rowOf(measure, subject, subject.name, valuesOf(subject), beside);
    });
}

/** Rows of the ratios to the reference. */
export function ratioRowsOf(measure: Measure, facet: string): Row[] {
  return measure.subjects
    .filter((subject) => ratiosOf(measure, subject).length > 0)
    .map((subject) => ({
      ...rowOf(measure, subject, subject.name, ratiosOf(measure, subject), ''),
      facet,
    }));
}

function rowOf(
  measure: Measure,
  { name }: Subject,
  label: string,
  values: readonly number[],
  beside: string,
): Row {
  return {
    facet: measure.title ?? measure.name,
    label,
    kind: name === measure.reference ? 'reference' : name.startsWith('weft') ? 'own' : 'other',
    median: median(values),
    least: Math.min(...values),
    most: Math.max(...values),
    text: `${formatNumber(median(values))}${beside}`,
  };
}

/** An SVG element that stands by itself. */
export function drawRows({ axis, rows, mark }: PlotOptions): string {
  const isLog = rows.every(({ least }) => least > 0) && spread(rows) > LOG_FROM;
  const facets = [...new Set(rows.map(({ facet }) => facet))];
  const labels = [...new Set(rows.map(({ label }) => label))];
  const longest = (texts: readonly string[]) =>
    Math.max(...texts.map((text) => text.length)) * CHARACTER_WIDTH;
  const hasFacets = facets.length > 1;
  const common = { y: 'label', fy: 'facet', stroke: colourOf } as const;
  const svg = Plot.plot({
    document: newDocument(),
    width: WIDTH,
    height: 64 + facets.length * (labels.length * ROW_HEIGHT + (hasFacets ? 8 : 0)),
    marginLeft: longest(labels) + 16,
    marginRight: 96 + (hasFacets ? longest(facets) : 0),
    marginTop: 10,
    marginBottom: 40,
    style: { fontSize: '12px', fontFamily: 'Helvetica, Arial, sans-serif', background: 'white' },
    x: {
      label: axis,
      labelAnchor: 'center',
      labelArrow: 'none',
      grid: true,
      nice: true,
      type: isLog ? 'log' : 'linear',
      ...ticks(isLog),
    },
    y: { label: null, domain: labels, padding: 0.35 },
    fy: { label: null, domain: facets, padding: 0.12, ...(hasFacets ? {} : { axis: null }) },
    marks: [
      ...(mark === undefined ? [] : [Plot.ruleX([mark], { stroke: '#d55e00', strokeWidth: 1.5 })]),
      ...(isLog
        ? [Plot.ruleY(rows, { y: 'label', fy: 'facet', stroke: '#ddd' })]
        : [Plot.ruleY(rows, { ...common, x1: 0, x2: 'median', strokeOpacity: 0.25, strokeWidth: 9 })]),
      Plot.ruleY(rows, { ...common, x1: 'least', x2: 'most', strokeWidth: 1.5 }),
      Plot.tickX(rows, { ...common, x: 'least', inset: 4 }),
      Plot.tickX(rows, { ...common, x: 'most', inset: 4 }),
      Plot.dot(rows, { ...common, x: 'median', r: 4, fill: colourOf }),
      Plot.text(rows, {
        y: 'label',
        fy: 'facet',
        x: 'most',
        text: 'text',
        textAnchor: 'start',
        dx: 9,
        fill: '#333',
      }),
    ],
  });
  return svg.outerHTML.replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ');
}

/** linkedom's types require those of a browser. */
function newDocument(): NonNullable<Plot.PlotOptions['document']> {
  const window: object = parseHTML('<html></html>');
  return (window as { document: NonNullable<Plot.PlotOptions['document']> }).document;
}

function colourOf({ kind }: Row): string {
  return COLOURS[kind];
}

function spread(rows: readonly Row[]): number {
  return Math.max(...rows.map(({ most }) => most)) / Math.min(...rows.map(({ least }) => least));
}

/** Numbers as people write them; on a logarithmic axis few. */
function ticks(isLog: boolean): Plot.ScaleOptions {
  return isLog ? { ticks: 6, tickFormat: (value: number) => formatTick(value) } : { ticks: 8 };
}

/** Powers of ten only. */
function formatTick(value: number): string {
  const isPower = Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9;
  return isPower ? Number(value.toPrecision(1)).toLocaleString('en', { maximumFractionDigits: 6 }) : '';
}
