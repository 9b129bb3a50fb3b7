import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { Secret } from './secret.ts';

describe('Secret', () => {
  const secret = new Secret('hunter2');

  const PRINTED: readonly (readonly [string, string])[] = [
    ['a string', String(secret)],
    ['JSON', JSON.stringify({ secret })],
    ['inspect', inspect({ secret }, { depth: 9, showHidden: true })],
  ];
  for (const [what, text] of PRINTED)
    it(`shows a mask in ${what}`, () => {
      assert.ok(!text.includes('hunter2'), text);
      assert.match(text, /redacted/);
    });

  it('reveals its text to the call that needs it', () => assert.equal(secret.reveal(), 'hunter2'));
});
