// What must come out of a run whatever the machine and its load: who is ahead of whom in the same round. Pure.
import type { BenchmarkRecord } from './record.ts';
import { median, valuesOf } from './statistics.ts';

/** `ahead` has more of `measure` than `behind`, by far: a run in which it has not shows something broken, not something slow. */
export interface Order {
  readonly part: string;
  readonly measure: string;
  readonly ahead: string;
  readonly behind: string;
}

/** One line for each order that does not hold, or that could not be looked at. */
export function violations(orders: readonly Order[], records: readonly BenchmarkRecord[]): string[] {
  return orders.flatMap((order) => {
    const [ahead, behind] = [valueOf(order, order.ahead, records), valueOf(order, order.behind, records)];
    if (ahead > behind) return [];
    const { part, measure } = order;
    return [`${part} ${measure}: ${order.ahead} (${ahead}) is not ahead of ${order.behind} (${behind})`];
  });
}

/** Median of all rounds; NaN if there is none. */
function valueOf({ part, measure }: Order, subject: string, records: readonly BenchmarkRecord[]): number {
  const found = records
    .find((record) => record.part === part)
    ?.measures.find(({ name }) => name === measure)
    ?.subjects.find(({ name }) => name === subject);
  return found === undefined ? NaN : median(valuesOf(found));
}
