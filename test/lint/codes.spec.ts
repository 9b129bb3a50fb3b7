// docs/reference/events-and-errors.md has a table row for each code of api/ and each exit code.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HEALTH_STATES } from '../../api/status.ts';
import { packageRoot } from '../../lab/package-root.ts';

/** String members of the unions named `…Code`. */
function codesOf(source: string): readonly string[] {
  const unions = [...source.matchAll(/^export type \w*Code =([^;]*);/gm)].map(([, members = '']) => members);
  return unions.flatMap((members) => [...members.matchAll(/'([\w-]+)'/g)].map(([, code = '']) => code));
}

/** Values of constants such as EXIT_USAGE. */
function exitCodesOf(source: string): readonly string[] {
  return [...source.matchAll(/^export const EXIT_\w+ = (\d+);/gm)].map(([, code = '']) => code);
}

/** The part of a page below a heading, up to the next one of the same depth. */
function sectionOf(page: string, heading: string): string {
  const start = page.indexOf(`\n${heading}\n`);
  assert.ok(start >= 0, `no heading ${heading}`);
  const end = page.indexOf('\n## ', start + 1);
  return page.slice(start, end < 0 ? undefined : end);
}

describe('docs/reference/events-and-errors.md', () => {
  const root = packageRoot();
  const read = (file: string): string => readFileSync(join(root, file), 'utf8');
  const page = read('docs/reference/events-and-errors.md');
  const cases: readonly [string, readonly string[], number][] = [
    ['## Events', [...codesOf(read('api/events.ts')), ...HEALTH_STATES], 45],
    ['## Errors', codesOf(read('api/errors.ts')), 30],
    ['## Exit codes', exitCodesOf(read('daemon/node/exit.ts') + read('cli/exit-codes.ts')), 6],
  ];
  for (const [heading, codes, least] of cases)
    describe(heading, () => {
      const rows = sectionOf(page, heading)
        .split('\n')
        .filter((line) => line.startsWith('| `'));
      const documented = rows.map((row) => /^\| `([^`]+)` \|/.exec(row)?.[1]);

      it('covers all codes of the sources', () => {
        assert.ok(codes.length >= least, `only ${codes.length} codes found in the sources`);
        assert.deepEqual(
          codes.filter((code) => !documented.includes(code)),
          [],
        );
      });

      it('names no other code', () =>
        assert.deepEqual(
          documented.filter((code) => !codes.includes(code ?? '')),
          [],
        ));

      it('fills every cell', () =>
        assert.deepEqual(
          rows.filter((row) => /\|\s*\|/.test(row)),
          [],
        ));
    });
});
