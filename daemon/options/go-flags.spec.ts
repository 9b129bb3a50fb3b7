import assert from 'node:assert/strict';
import { parseFlags } from './go-flags.ts';
import type { FlagDefinitions } from './flag-definition.ts';

const FLAGS = {
  name: { type: 'string', default: 'x', help: '' },
  shape: { type: 'string', default: 'round', choices: ['round', 'square'], help: '' },
  count: { type: 'int', default: 5, bound: [1, 20], help: '' },
  any: { type: 'int', default: 0, help: '' },
  wait: { type: 'duration-seconds', default: 60, bound: [1, 86_400], help: '' },
  fast: { type: 'bool', default: false, help: '' },
  iface: { type: 'repeatable', default: [], help: '' },
  pass: { type: 'string', default: '', isSecret: true, help: '' },
  'log.at': { type: 'string', default: '', help: '' },
  hidden: { type: 'bool', default: false, env: null, help: '' },
} as const satisfies FlagDefinitions;

function read(argv: readonly string[], env: Record<string, string> = {}) {
  return parseFlags(FLAGS, { argv, env, envPrefix: 'T_' });
}

describe('parseFlags', () => {
  const good: readonly (readonly [string, readonly string[], object, (readonly string[])?])[] = [
    ['nothing', [], { name: 'x', count: 5, fast: false, iface: [] }],
    ['one dash, next argument', ['-name', 'a'], { name: 'a' }],
    ['two dashes, next argument', ['--name', 'a'], { name: 'a' }],
    ['one dash, equals', ['-name=a'], { name: 'a' }],
    ['a value with =', ['--name=a=b'], { name: 'a=b' }],
    ['a value with a line break', ['--name=a\nb'], { name: 'a\nb' }],
    ['an empty value', ['--name='], { name: '' }],
    ['a value with the form of a flag', ['--name', '--fast'], { name: '--fast', fast: false }],
    ['a bool alone', ['--fast'], { fast: true }],
    ['a bool with =', ['--fast=F'], { fast: false }],
    [
      'a bool that leaves the next argument',
      ['--fast', 'false', '--count=2'],
      { fast: true, count: 5 },
      ['false', '--count=2'],
    ],
    ['the last one counts', ['--name=a', '--name=b'], { name: 'b' }],
    ['repeated ones add up', ['--iface=a', '-iface', 'b'], { iface: ['a', 'b'] }],
    ['-- ends the flags', ['--fast', '--', '--count=2'], { fast: true, count: 5 }, ['--count=2']],
    ['a single dash as an argument', ['-', '--fast'], { fast: false }, ['-', '--fast']],
    ['hex', ['--count=0x10'], { count: 16 }],
    ['octal as in Go', ['--count=010'], { count: 8 }],
    ['binary', ['--count=0b11'], { count: 3 }],
    ['a sign', ['--any=-3'], { any: -3 }],
    ['minus zero is zero', ['--any=-0'], { any: 0 }],
    ['seconds', ['--wait=90'], { wait: 90 }],
    ['minutes', ['--wait=10m'], { wait: 600 }],
    ['hours', ['--wait=24h'], { wait: 86_400 }],
    ['a bound is included', ['--count=20'], { count: 20 }],
  ];
  for (const [name, argv, expected, rest] of good)
    it(`parses ${name}`, () => {
      const parsed = read(argv);
      assert.deepEqual(parsed.errors, []);
      assert.deepEqual({ ...parsed.values, ...expected }, parsed.values);
      assert.deepEqual(parsed.rest, rest ?? []);
    });

  const bad: readonly [readonly string[], readonly string[]][] = [
    [['--nmae=a'], ['--nmae: unknown flag; did you mean --name?']],
    [['--zzzzzzz'], ['--zzzzzzz: unknown flag']],
    [['--toString=1'], ['--toString: unknown flag']],
    [['--__proto__=1'], ['--__proto__: unknown flag']],
    [['--name'], ['--name needs a value: --name=VALUE']],
    [['---name=a'], ['---name: not a flag; write --name or --name=value']],
    [['-=a'], ['-: not a flag; write --name or --name=value']],
    [['--shape=flat'], ['--shape="flat": must be one of round, square']],
    [['--count=0'], ['--count="0": must be an integer from 1 to 20']],
    [['--count=21'], ['--count="21": must be an integer from 1 to 20']],
    [['--count=1.5'], ['--count="1.5": must be an integer from 1 to 20']],
    [['--count='], ['--count="": must be an integer from 1 to 20']],
    [['--count=1e1'], ['--count="1e1": must be an integer from 1 to 20']],
    [['--any=99999999999999999999'], ['--any="99999999999999999999": must be an integer']],
    [['--wait=5d'], ['--wait="5d": must be seconds, or a number with s, m or h from 1 to 86400']],
    [['--wait=25h'], ['--wait="25h": must be seconds, or a number with s, m or h from 1 to 86400']],
    [['--fast=maybe'], ['--fast="maybe": must be true or false']],
    // Neither the value of an unknown flag, nor the argument after it, is shown: it may be a password.
    [['--pas=hunter2'], ['--pas: unknown flag; did you mean --pass?']],
    [
      ['--nmae', 'hunter2', '--count=0', '--fast=x'],
      [
        '--nmae: unknown flag; did you mean --name?',
        '--count="0": must be an integer from 1 to 20',
        '--fast="x": must be true or false',
      ],
    ],
  ];
  for (const [argv, errors] of bad)
    it(`rejects ${argv.join(' ')}`, () => {
      assert.deepEqual(read(argv).errors, errors);
    });

  it('recognizes --help among other flags, but not as a value', () => {
    assert.equal(read(['--fast', '-h', '--nmae']).isHelpWanted, true);
    assert.equal(read(['-help']).isHelpWanted, true);
    assert.equal(read(['--name', '--help']).isHelpWanted, false);
    assert.equal(read(['--', '--help']).isHelpWanted, false);
  });

  describe('environment', () => {
    const cases: readonly [string, readonly string[], Record<string, string>, object][] = [
      ['stands in for a missing flag', [], { T_COUNT: '7' }, { count: 7 }],
      ['yields to the command line', ['--count=3'], { T_COUNT: '7' }, { count: 3 }],
      ['is not even checked then', ['--count=3'], { T_COUNT: 'seven' }, { count: 3 }],
      ['counts as unset when empty', [], { T_COUNT: '' }, { count: 5 }],
      ['is one entry of a repeatable flag', [], { T_IFACE: 'a,b' }, { iface: ['a,b'] }],
      ['has _ for a dot', [], { T_LOG_AT: 'here' }, { 'log.at': 'here' }],
      ['is ignored for a flag without one', [], { T_HIDDEN: 'true' }, { hidden: false }],
      ['needs the prefix', [], { COUNT: '7' }, { count: 5 }],
    ];
    for (const [name, argv, env, expected] of cases)
      it(`a variable ${name}`, () => {
        const parsed = read(argv, env);
        assert.deepEqual(parsed.errors, []);
        assert.deepEqual({ ...parsed.values, ...expected }, parsed.values);
      });

    it('names the variable of an invalid value', () => {
      assert.deepEqual(read([], { T_COUNT: 'seven', T_FAST: 'y' }).errors, [
        'T_COUNT="seven": must be an integer from 1 to 20',
        'T_FAST="y": must be true or false',
      ]);
    });

    it('does not replace a flag with an invalid value', () => {
      assert.deepEqual(read(['--count=0'], { T_COUNT: 'seven' }).errors, [
        '--count="0": must be an integer from 1 to 20',
      ]);
    });

    it('warns of near misses only', () => {
      const { warnings } = read([], { T_COUNTT: '7', T_SERVICE_HOST: '10.0.0.1' });
      assert.deepEqual(warnings, ['T_COUNTT is set but stands for no flag; did you mean T_COUNT?']);
    });
  });

  it('reports the source of a value', () => {
    const parsed = read(['--name=a'], { T_COUNT: '7' });
    assert.deepEqual(
      ['name', 'count', 'fast'].map((name) => parsed.labelOf(name)),
      ['--name', 'T_COUNT', '--fast'],
    );
    assert.equal(parsed.sourceOf('count'), 'environment');
    assert.equal(parsed.sourceOf('fast'), 'default');
  });
});
