// Circles in a graph of imports (Tarjan's strongly connected components).

type Edge = readonly [from: string, to: string];

/** Groups of files that import each other in a circle, each sorted; empty where there is none. */
export function findCycles(edges: readonly Edge[]): readonly (readonly string[])[] {
  const targets = new Map<string, string[]>();
  for (const [from, to] of edges) targets.set(from, [...(targets.get(from) ?? []), to]);
  const index = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const cycles: string[][] = [];

  function visit(file: string): void {
    index.set(file, index.size);
    lowest.set(file, index.get(file)!);
    stack.push(file);
    for (const target of targets.get(file) ?? []) {
      if (!index.has(target)) visit(target);
      if (stack.includes(target)) lowest.set(file, Math.min(lowest.get(file)!, lowest.get(target)!));
    }
    if (lowest.get(file) !== index.get(file)) return;
    const members = stack.splice(stack.indexOf(file));
    if (members.length > 1 || targets.get(file)?.includes(file) === true) cycles.push(members.toSorted());
  }

  for (const file of targets.keys()) if (!index.has(file)) visit(file);
  return cycles;
}
