import assert from 'node:assert/strict';
import { formatHelp } from './help.ts';
import { SPECS } from '../fixture/command-specs.ts';

describe('help prints', () => {
  it('a command that uses every field', () => {
    assert.equal(
      formatHelp('show', SPECS[0]!),
      `Usage: weft show [list] [options]
       weft show get THING

Shows things.
.hidden dot, back\\slash and "quotes".

Verbs
  list        all of them
  get THING   one
  stop|start  either

Options
  --colour red|blue  which [one]: of two
  -f, --file FILE    where
  --count N          how many
  --json             a program's text
  -h, --help         print this help

Examples
  weft show get x  see x

Exit codes
  4  there is none
`,
    );
  });

  it('a command that uses the required fields', () => {
    assert.equal(
      formatHelp('old', SPECS[1]!),
      `Usage: weft old [-q]

Old.

Options
  -q          quietly
  -h, --help  print this help
`,
    );
  });
});
