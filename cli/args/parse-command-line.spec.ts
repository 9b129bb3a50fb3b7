import assert from 'node:assert/strict';
import { checkVerb, parseCommandLine } from './parse-command-line.ts';
import { COMMANDS } from '../commands.ts';

const OPTIONS = {
  problems: { type: 'boolean', short: 'p', help: '' },
  socket: { type: 'string', value: 'PATH', help: '' },
  output: { type: 'string', short: 'o', value: 'FILE', help: '' },
  topic: { type: 'string', multiple: true, choices: ['peer', 'lease'], help: '' },
} as const;

const parse = (...argv: readonly string[]) => parseCommandLine('peers', OPTIONS, argv);

describe('the command line of a command', () => {
  it('has values, flags and positionals', () => {
    const { values, positionals } = parse('-p', '--socket=/s', '-o', '-', 'a', '--', '-b');
    assert.deepEqual({ ...values }, { problems: true, socket: '/s', output: '-' });
    assert.deepEqual(positionals, ['a', '-b']);
    assert.deepEqual(parse('--topic', 'peer', '--topic=lease').values['topic'], ['peer', 'lease']);
    assert.equal(parse('-h').values['help'], true);
  });

  const wrong: readonly (readonly [argv: readonly string[], message: RegExp])[] = [
    [
      ['--problms'],
      /^UsageError: weft peers: it has no option --problms; did you mean --problems\?; see weft/,
    ],
    [['--frobnicate'], /weft peers: it has no option --frobnicate; see weft peers --help$/],
    [['-x'], /it has no option -x; see/],
    [['-px'], /it has no option -x; see/],
    [['--socket'], /--socket needs a value: --socket PATH; see/],
    [['--topic'], /--topic needs a value: --topic peer\|lease; see/],
    [
      ['--socket', '--problems'],
      /--socket needs a value, and "--problems" is an option; to mean it, write --socket=--problems/,
    ],
    [['-o', '-p'], /-o needs a value, and "-p" is an option; to mean it, write -o-p/],
    [['--problems=yes'], /--problems takes no value, got "yes"/],
  ];
  for (const [argv, message] of wrong)
    it(`explains ${argv.join(' ')}`, () => assert.throws(() => parse(...argv), message));

  it('names the verb that was probably meant', () => {
    const verbs = { list: '', 'show SUBNET': '', 'release SUBNET': '' };
    assert.throws(
      () => checkVerb('leases', verbs, ['relase']),
      /weft leases "relase": give one of list, show, release: did you mean release\?$/,
    );
    assert.throws(() => checkVerb('leases', verbs, ['xyzzy']), /give one of list, show, release$/);
    checkVerb('leases', verbs, ['show', '10.5.72.0/24']);
    checkVerb('leases', verbs, []);
    checkVerb('status', undefined, ['x']);
    for (const verb of ['stop', 'start', 'kill'])
      checkVerb('lab', { 'stop|start|kill hK': '' }, [verb, 'h1']);
  });

  const own = new Set(['daemon', 'docker-opts', 'bench']);
  for (const [name, entry] of Object.entries(COMMANDS))
    if (!own.has(name))
      it(`of weft ${name} has no message of Node`, async () => {
        await assert.rejects(
          Promise.resolve().then(async () => (await entry.load()).run(['--frobnicate-zzz'])),
          /^UsageError: weft \S+: it has no option --frobnicate-zzz; see weft \S+ --help$/,
        );
      });
});
