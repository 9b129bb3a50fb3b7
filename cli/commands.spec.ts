import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { loadCommandSpecs, type NamedCommandSpec } from './command-spec.ts';
import { COMMANDS } from './commands.ts';
import { completionScript } from './format/completion-scripts.ts';
import { formatCommands } from './commands/help.ts';
import { formatHelp } from './format/help.ts';
import { formatHint } from './default-command.ts';

describe('the table of commands', () => {
  let all: readonly NamedCommandSpec[] = [];
  before(async () => {
    all = await loadCommandSpecs(COMMANDS);
  });

  for (const name of Object.keys(COMMANDS))
    it(`has a complete specification of weft ${name}`, () => {
      const spec = all.find((command) => command.name === name)!;
      assert.ok(spec.synopsis.length > 0 && spec.about.length > 10);
      assert.ok(spec.examples.length > 0, 'an example');
      for (const [line] of spec.examples)
        assert.match(line, new RegExp(String.raw`\b(?:weft ${name}|flanneld)\b`));
      assert.ok(COMMANDS[name]!.summary.length <= 60);
      for (const line of formatHelp(name, spec).split('\n')) assert.ok(line.length <= 150, line);
    });

  it('is listed by weft help', () => {
    const listed = [...formatCommands(COMMANDS).matchAll(/^ {2}(\S+)/gm)].map((match) => match[1] ?? '');
    assert.deepEqual(listed.toSorted(), Object.keys(COMMANDS).toSorted());
  });

  it('makes a completion script that bash parses', () => {
    const { status, stderr } = spawnSync('bash', ['-n'], {
      input: completionScript('bash', all),
      encoding: 'utf8',
    });
    assert.deepEqual([status, stderr], [0, '']);
  });

  it('prints the next steps without arguments', () => {
    assert.match(formatHint(true), /weft status/);
    assert.doesNotMatch(formatHint(true), /weft daemon/);
    assert.match(formatHint(false), /weft daemon --help/);
  });
});
