// Mutants of compiled JavaScript: the operators over its syntax tree.
import { parse, type AnyNode, type Node } from 'acorn';
import type { Mutant } from './mutant.ts';
import { OPERATORS, type Replacement } from './operators.ts';

export function jsMutants(source: string): readonly Mutant[] {
  const found: Mutant[] = [];
  const text = (node: Node): string => source.slice(node.start, node.end);
  visit(parse(source, { ecmaVersion: 2023, sourceType: 'module' }), (node) => {
    const operator = OPERATORS[node.type] as
      ((node: AnyNode, text: (of: Node) => string) => readonly Replacement[]) | undefined;
    for (const { operator: name, text: replacement, of = node } of operator?.(node, text) ?? [])
      if (replacement !== text(of))
        found.push({ operator: name, start: of.start, end: of.end, text: replacement });
  });
  return found;
}

/** Calls `inspect` for each node but those of messages: errors and log lines are worded freely. */
function visit(node: AnyNode, inspect: (node: AnyNode) => void): void {
  inspect(node);
  for (const value of Object.values(node) as readonly unknown[])
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) visit(child, inspect);
}

function isNode(value: unknown): value is AnyNode {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Node>).type === 'string';
}
