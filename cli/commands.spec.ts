import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { loadCommandSpecs, type NamedCommandSpec } from './command-spec.ts';
import { COMMANDS } from './commands.ts';
import { completionScript } from './format/completion-scripts.ts';
import { formatCommands } from './commands/help.ts';
import { formatHelp } from './format/help.ts';
import { greeting } from './default-command.ts';

describe('the table of commands', () => {
  let all: readonly NamedCommandSpec[] = [];
  before(async () => {
    all = await loadCommandSpecs(COMMANDS);
  });

  for (const name of Object.keys(COMMANDS))
    it(`has words of weft ${name} that help can be made of`, () => {
      const words = all.find((command) => command.name === name)!;
      assert.ok(words.synopsis.length > 0 && words.about.length > 10);
      assert.ok(words.examples.length > 0, 'an example');
      for (const [line] of words.examples)
        assert.match(line, new RegExp(String.raw`\b(?:weft ${name}|flanneld)\b`));
      assert.ok(COMMANDS[name]!.summary.length <= 60);
      for (const line of formatHelp(name, words).split('\n')) assert.ok(line.length <= 150, line);
    });

  it('is what weft help lists', () => {
    const listed = [...formatCommands(COMMANDS).matchAll(/^ {2}(\S+)/gm)].map((match) => match[1] ?? '');
    assert.deepEqual(listed.toSorted(), Object.keys(COMMANDS).toSorted());
  });

  it('makes a script of completion that bash takes', () => {
    const { status, stderr } = spawnSync('bash', ['-n'], {
      input: completionScript('bash', all),
      encoding: 'utf8',
    });
    assert.deepEqual([status, stderr], [0, '']);
  });

  it('greets with the next step', () => {
    assert.match(greeting(true), /weft status/);
    assert.doesNotMatch(greeting(true), /weft daemon/);
    assert.match(greeting(false), /weft daemon --help/);
  });
});
