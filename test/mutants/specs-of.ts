// Which specs can notice a fault in a file: those that import it, the nearest first.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** More specs than these seldom notice what these do not, and each costs time for each mutant. */
const MAX_SPECS = 6;

/** Distance in imports at which a spec of another folder still tests a file. */
const MAX_DISTANCE = 3;

export class SpecFinder {
  readonly #distances: ReadonlyMap<string, ReadonlyMap<string, number>>;

  /** @param root folder of `dist/`; `specs` are paths below it. */
  constructor(root: string, specs: readonly string[]) {
    const imports = new Map<string, readonly string[]>();
    const importsOf = (file: string): readonly string[] => {
      const known = imports.get(file) ?? readImports(root, file);
      imports.set(file, known);
      return known;
    };
    this.#distances = new Map(specs.map((spec) => [spec, distancesFrom(spec, importsOf)]));
  }

  specsOf(file: string): readonly string[] {
    const ranked = [...this.#distances].flatMap(([spec, distances]) => {
      const distance = distances.get(file);
      if (distance === undefined) return [];
      const isSameFolder = dirname(spec) === dirname(file);
      const rank = distance - Number(isSameFolder) * MAX_DISTANCE;
      return isSameFolder || distance <= MAX_DISTANCE ? [{ spec, rank, modules: distances.size }] : [];
    });
    // Of two as near, the one that loads less.
    ranked.sort((one, other) => one.rank - other.rank || one.modules - other.modules);
    return ranked.slice(0, MAX_SPECS).map(({ spec }) => spec);
  }
}

function distancesFrom(
  spec: string,
  importsOf: (file: string) => readonly string[],
): ReadonlyMap<string, number> {
  const distances = new Map([[spec, 0]]);
  for (const [file, distance] of distances)
    for (const target of importsOf(file)) if (!distances.has(target)) distances.set(target, distance + 1);
  return distances;
}

function readImports(root: string, file: string): readonly string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return Array.from(text.matchAll(/(?:from |import\(|import |resolve\()'(\.[^']*\.js)'/g), ([, target]) =>
    join(dirname(file), target!),
  );
}
