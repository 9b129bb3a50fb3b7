import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { escapeControls, escapeDocument, escapeStrings, toPrintableJson } from './escape.ts';

const HOSTILE = fc.string({ unit: fc.oneof(fc.integer({ min: 0, max: 0xffff }).map(String.fromCharCode)) });
const PRINTABLE = /^[^\p{C}\u2028\u2029]*$/u;

describe('escaped text', () => {
  const cases: readonly (readonly [what: string, text: string, escaped: string])[] = [
    ['plain text', 'lo äß 漢 🙂', 'lo äß 漢 🙂'],
    ['a title sequence', 'vxlan\u001b]0;x\u0007', String.raw`vxlan\u{1b}]0;x\u{7}`],
    ['lines', 'a\nb\r\n\tc', String.raw`a\nb\u{d}\n\tc`],
    ['C1 and delete', '\u009b2J\u007f', String.raw`\u{9b}2J\u{7f}`],
    ['other directions', 'a\u202eb\u2066', String.raw`a\u{202e}b\u{2066}`],
    ['invisible characters', '\u200b\ufeff\u{e0041}', String.raw`\u{200b}\u{feff}\u{e0041}`],
    ['separators and surrogates', '\u2028\ud800', String.raw`\u{2028}\u{d800}`],
  ];
  for (const [what, text, escaped] of cases)
    it(`shows ${what}`, () => {
      assert.equal(escapeControls(text), escaped);
    });

  it('is one printable line, and keeps printable text', () => {
    fc.assert(fc.property(HOSTILE, (text) => PRINTABLE.test(escapeControls(text))));
    fc.assert(
      fc.property(HOSTILE, (text) => {
        if (PRINTABLE.test(text)) assert.equal(escapeControls(text), text);
      }),
    );
  });

  it('of a document keeps lines and colours alone', () => {
    assert.equal(escapeDocument('\u001b[31mred\u001b[0m\n\tx'), '\u001b[31mred\u001b[0m\n\tx');
    assert.equal(escapeDocument('\u001b[2J\u001b]0;x\u0007\r'), String.raw`\u{1b}[2J\u{1b}]0;x\u{7}\u{d}`);
  });

  it('of data covers every string and key', () => {
    assert.deepEqual(escapeStrings({ 'a\n': ['b\u001b', { c: '\r' }], d: 1, e: null, f: undefined }), {
      'a\\n': [String.raw`b\u{1b}`, { c: String.raw`\u{d}` }],
      d: 1,
      e: null,
      f: undefined,
    });
  });

  it('as JSON is printable and parses to the same data', () => {
    fc.assert(
      fc.property(fc.dictionary(HOSTILE, fc.array(HOSTILE)), fc.constantFrom(0, 2), (data, indent) => {
        const json = toPrintableJson(data, indent);
        for (const line of json.split('\n')) assert.match(line, PRINTABLE);
        assert.deepEqual(JSON.parse(json), JSON.parse(JSON.stringify(data)));
      }),
    );
  });
});
