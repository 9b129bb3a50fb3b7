// Fails on words that the glossary replaced by the field's terms. Reads every tracked text file, splits identifiers at
// case changes and underscores, and prints FILE:LINE: WORD: use TERM. Part of `make lint`.
// Usage: node dist/test/lint/vocabulary.js [FILE…]
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/** Word in lower case → what to write instead. */
const REPLACED: Readonly<Record<string, string>> = {
  way: 'transport, method or path',
  ways: 'transports, methods or paths',
  door: 'interface or boundary',
  doors: 'interfaces or boundaries',
  look: 'check, read, poll or inspect',
  looks: 'checks, reads, polls or inspects',
  looked: 'checked, read, polled or inspected',
  looking: 'checking, reading, polling or inspecting',
  tell: 'report, emit or notify',
  tells: 'reports, emits or notifies',
  told: 'notified, advertised or received',
  telling: 'reporting or notifying',
  words: 'args, text or keywords',
  anew: 'again, re-create or re-read',
  mend: 'fix',
  mends: 'fixes',
  mended: 'fixed',
  nobody: 'none, or the passive',
  somebody: 'another process, or the passive',
  whoever: 'the caller, or the process that',
  everybody: 'all',
  hands: 'actors',
};

/** Phrases in which such a word has its ordinary sense. */
const ALLOWED: readonly RegExp[] = [
  /\b(?:16|32|64)-bit words\b/gi,
  /\.told\b/g,
  /\b(?:two|one|three|four|both)-way\b/gi,
  /\bone-way\b/gi,
  /\b(?:either|halfway|by) way\b/gi,
  // Variables and builtins of shells in completion scripts.
  /\bCOMP_WORDS\b|\$words\b|\bshift words\b/g,
];

/** Phrases that are wrong as a whole. */
const PHRASES: readonly { readonly phrase: RegExp; readonly word: string; readonly term: string }[] = [
  { phrase: /\bfor ever\b/i, word: 'for ever', term: 'forever or without end' },
];

const TEXT = /(?:\.(?:ts|mjs|c|h|sh|md|html|yml|service)|\/Makefile|^Makefile|^bin\/[a-z-]+)$/;
const EXCLUDED = [
  /^test\/lint\/vocabulary(?:\.spec)?\.ts$/,
  /^docs\/benchmarks\/.*\.(?:html|json|svg)$/,
  /^CHANGELOG\.md$/,
];

export interface Finding {
  readonly line: number;
  readonly word: string;
  readonly term: string;
}

/** Words of identifiers and prose, in lower case: `lookAtPeers` gives look, at, peers. */
function wordsOf(line: string): readonly string[] {
  const spaced = line.replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2').replaceAll(/([A-Z])([A-Z][a-z])/g, '$1 $2');
  return spaced.toLowerCase().match(/[a-z]+/g) ?? [];
}

/** What is wrong in `text`, by line. */
export function findReplacedWords(text: string): readonly Finding[] {
  return text.split('\n').flatMap((content, index) => {
    const line = index + 1;
    const rest = ALLOWED.reduce((left, phrase) => left.replaceAll(phrase, ''), content);
    const phrases = PHRASES.filter(({ phrase }) => phrase.test(rest));
    const replaced = [...new Set(wordsOf(rest))].filter((word) => Object.hasOwn(REPLACED, word));
    return [
      ...phrases.map(({ word, term }) => ({ line, word, term })),
      ...replaced.map((word) => ({ line, word, term: REPLACED[word]! })),
    ];
  });
}

function trackedFiles(): readonly string[] {
  const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { encoding: 'utf8' });
  return files
    .trim()
    .split('\n')
    .filter((file) => existsSync(file));
}

function main(named: readonly string[]): void {
  const files = (named.length > 0 ? named : trackedFiles()).filter(
    (file) => TEXT.test(file) && !EXCLUDED.some((pattern) => pattern.test(file)),
  );
  const lines = files.flatMap((file) =>
    findReplacedWords(readFileSync(file, 'utf8')).map(
      ({ line, word, term }) => `${file}:${line}: "${word}": use ${term} (docs/reference/glossary.md)`,
    ),
  );
  for (const line of lines) console.log(line);
  if (lines.length > 0) process.exitCode = 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main(process.argv.slice(2));
