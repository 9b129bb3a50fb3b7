// Mutants of C sources: a table of replacements, line by line. The sources are formatted by clang-format, so that a
// statement of one line is recognized by its shape. A mutant that does not compile is no mutant.
import type { Mutant } from './mutant.ts';

type Rule = readonly [operator: string, pattern: RegExp, replacement: string];

const RULES: readonly Rule[] = [
  [
    'negated condition',
    /(?<=^\s*(?:\} else )?if )\((.*)\)(?= (?:\{|return|continue|break|goto)|$)/g,
    '(!($1))',
  ],
  ['negated condition', / == /g, ' != '],
  ['negated condition', / != /g, ' == '],
  ['negated condition', /\btrue\b/g, 'false'],
  ['negated condition', /\bfalse\b/g, 'true'],
  ['negated condition', /(?<=[(&|] ?)!(?=\w)/g, ''],
  ['dropped condition', / && /g, ' || '],
  ['dropped condition', / \|\| /g, ' && '],
  ['off by one', / < /g, ' <= '],
  ['off by one', / <= /g, ' < '],
  ['off by one', / > /g, ' >= '],
  ['off by one', / >= /g, ' > '],
  ['off by one', /(?<![\w.])(\d+)(?=u?[\s;,)\]])(?!.*\bcase\b)/g, '($1 + 1)'],
  ['arithmetic', / \+ /g, ' - '],
  ['arithmetic', / - /g, ' + '],
  ['arithmetic', / \+= /g, ' -= '],
  ['arithmetic', / -= /g, ' += '],
  ['arithmetic', /\+\+(?=;)/g, '--'],
  ['swapped direction', /\bWEFT_((?:DROP_)?)TX_/g, 'WEFT_$1RX_'],
  ['swapped direction', /\bWEFT_((?:DROP_)?)RX_/g, 'WEFT_$1TX_'],
  ['swapped arguments', /(?<=\w\()([\w.>-]+), ([\w.>-]+)(?=[,)])/g, '$2, $1'],
  ['dropped call', /^(\s+)(?:\(void\))?(?!return|else|if|for|while|switch|sizeof)\w+\(.*\);$/g, '$1;'],
  ['dropped assignment', /^(\s+)\*?\w[\w.>\-[\]]* [-+|&]?= .*;$/g, '$1;'],
  ['dropped assignment', /^(\s+)\w[\w.>\-[\]]*(?:\+\+|--);$/g, '$1;'],
  ['constant result', /(?<=^\s*)return (?!0;|WEFT_NOT_DROPPED;).+;$/g, 'return 0;'],
];

export function cMutants(source: string): readonly Mutant[] {
  const found: Mutant[] = [];
  let start = 0;
  for (const line of withoutComments(source).split('\n')) {
    if (/^\s/.test(line)) for (const rule of RULES) found.push(...matchesOf(line, rule, start));
    start += line.length + 1;
  }
  return found;
}

function matchesOf(line: string, [operator, pattern, replacement]: Rule, start: number): readonly Mutant[] {
  return Array.from(line.matchAll(pattern), (match) => ({
    operator,
    start: start + match.index,
    end: start + match.index + match[0].length,
    text: replacement.replace(/\$(\d)/g, (_all, group: string) => match[Number(group)] ?? ''),
  }));
}

/** The same length, with comments and strings blank. */
function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\/|\/\/.*|"(?:\\.|[^"\\\n])*"/g, (text) =>
    text.replace(/[^\n]/g, '~'),
  );
}
