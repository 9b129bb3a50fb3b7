// Figures of an emulated processor are shown alone, or not at all. Pure.
import { isEmulated } from '../machine.ts';
import type { BenchRecord } from '../record.ts';

/**
 * @param pages - pages of the documentation to fill in: they show no emulated figures.
 * @throws Error if records of emulated and of other processors meet.
 */
export function requireUnmixed(
  records: readonly Pick<BenchRecord, 'machine'>[],
  pages: readonly string[],
): void {
  const emulated = records.filter(({ machine }) => isEmulated(machine)).length;
  if (emulated > 0 && emulated < records.length)
    throw new Error(
      `${emulated} of ${records.length} records are of an emulated processor: make a report of each kind`,
    );
  if (emulated > 0 && pages.length > 0)
    throw new Error(
      `Figures of an emulated processor do not belong into ${pages.join(', ')}: leave --tables out`,
    );
}
