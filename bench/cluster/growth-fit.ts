// How something grows with the number of hosts: the exponent of a power of it, fitted to logarithms. Pure.

/** A value measured with so many hosts. */
export interface Point {
  readonly hosts: number;
  readonly value: number;
}

export interface Growth {
  /** value ∝ hosts^exponent. */
  readonly exponent: number;
  /** 95 % confidence interval of the exponent; of two points there is none: infinite. */
  readonly low: number;
  readonly high: number;
  readonly name: GrowthName;
}

export type GrowthName =
  'constant' | 'sublinear' | 'linear' | 'between linear and quadratic' | 'quadratic' | 'worse than quadratic';

/** Student's t, two-sided 95 %, by degrees of freedom 1..10. */
const T_95 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228] as const;
/** How far an exponent may be from a whole number and still bear its name. */
const TOLERANCE = 0.2;

/** Least squares on logarithms. Points without a positive value are left out. @throws RangeError if fewer than two numbers of hosts are left. */
export function fitGrowth(points: readonly Point[]): Growth {
  const logs = points
    .filter(({ hosts, value }) => hosts > 0 && value > 0)
    .map(({ hosts, value }) => ({ x: Math.log(hosts), y: Math.log(value) }));
  const [meanX, meanY] = [mean(logs.map(({ x }) => x)), mean(logs.map(({ y }) => y))];
  const sumXX = sum(logs.map(({ x }) => (x - meanX) ** 2));
  if (!(sumXX > 0))
    throw new RangeError('Cannot fit growth: it needs values of two numbers of hosts at least');
  const exponent = sum(logs.map(({ x, y }) => (x - meanX) * (y - meanY))) / sumXX;
  const residual = sum(logs.map(({ x, y }) => (y - meanY - exponent * (x - meanX)) ** 2));
  const freedom = logs.length - 2;
  const margin = freedom < 1 ? Infinity : studentT(freedom) * Math.sqrt(residual / freedom / sumXX);
  return { exponent, low: exponent - margin, high: exponent + margin, name: nameOf(exponent) };
}

/** `0.98 [0.95, 1.01]: linear` */
export function formatGrowth({ exponent, low, high, name }: Growth): string {
  const interval = Number.isFinite(low) ? ` [${low.toFixed(2)}, ${high.toFixed(2)}]` : '';
  return `${exponent.toFixed(2)}${interval}: ${name}`;
}

function nameOf(exponent: number): GrowthName {
  if (exponent <= TOLERANCE) return 'constant';
  if (exponent < 1 - TOLERANCE) return 'sublinear';
  if (exponent <= 1 + TOLERANCE) return 'linear';
  if (exponent < 2 - TOLERANCE) return 'between linear and quadratic';
  return exponent <= 2 + TOLERANCE ? 'quadratic' : 'worse than quadratic';
}

/** Beyond the table the normal distribution's is near enough. */
function studentT(freedom: number): number {
  return T_95[freedom - 1] ?? 1.96;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
