import assert from 'node:assert/strict';
import { editorOf, toReadable } from './config.ts';

describe('weft config edit', () => {
  it('shows a document of one line indented, and any other as it is', () => {
    assert.equal(
      toReadable('{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}'),
      `{
  "Network": "10.5.0.0/16",
  "Backend": {
    "Type": "vxlan"
  }
}`,
    );
    const written = '{ "Network": "10.5.0.0/16",\n\t"Backend": {"Type": "vxlan"} }\n';
    assert.equal(toReadable(written), written);
    assert.match(toReadable('{"Network": '), /"Network"/);
  });

  it('needs a terminal, or an editor that needs none and --yes', () => {
    assert.equal(editorOf({}, true, false), 'vi');
    assert.equal(editorOf({ EDITOR: 'ed', VISUAL: 'nano' }, true, false), 'nano');
    assert.equal(editorOf({ EDITOR: 'sed -i s/a/b/' }, false, true), 'sed -i s/a/b/');
    for (const [env, isConfirmed] of [
      [{}, true],
      [{ EDITOR: 'vim' }, false],
    ] as const)
      assert.throws(
        () => editorOf(env, false, isConfirmed),
        /needs a terminal; without one: weft config get >/,
      );
  });
});
