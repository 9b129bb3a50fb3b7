// Words of two commands that have all that words can have, for tests of help, completion and the man page.
import type { NamedCommandSpec } from './command-specs.ts';

export const WORDS: readonly NamedCommandSpec[] = [
  {
    name: 'show',
    summary: "show a thing, or two: a host's",
    group: 'see',
    synopsis: ['[list] [options]', 'get THING'],
    about: 'Shows things.\n.hidden dot, back\\slash and "quotes".',
    verbs: { list: 'all of them', 'get THING': 'one', 'stop|start': 'either' },
    options: {
      colour: { type: 'string', choices: ['red', 'blue'], help: 'which [one]: of two' },
      file: { type: 'string', short: 'f', value: 'FILE', multiple: true, help: 'where' },
      count: { type: 'string', value: 'N', help: 'how many' },
      json: { type: 'boolean', help: "a program's words" },
    },
    examples: [['weft show get x', 'see x']],
    exitCodes: { 4: 'there is none' },
  },
  {
    name: 'old',
    summary: 'as it was',
    group: 'more',
    synopsis: ['[-q]'],
    about: 'Old.',
    options: { q: { type: 'boolean', help: 'quietly' } },
    examples: [],
  },
];
