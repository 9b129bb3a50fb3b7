import assert from 'node:assert/strict';
import { array, assert as check, dictionary, integer, jsonValue, property, string } from 'fast-check';
import { describe, it } from 'mocha';
import { JsonItemSplitter, type ListEnvelope } from './json-items.ts';

function split(
  text: string,
  chunkBytes: number,
): { readonly items: unknown[]; readonly envelope: ListEnvelope } {
  const items: unknown[] = [];
  const splitter = new JsonItemSplitter((item) => items.push(JSON.parse(item)));
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += chunkBytes) splitter.write(bytes.subarray(at, at + chunkBytes));
  return { items, envelope: splitter.end() };
}

describe('JsonItemSplitter', () => {
  it('passes on each item and what surrounds them, however the text is cut', () => {
    const item = dictionary(string(), jsonValue({ maxDepth: 2 }), { maxKeys: 4 });
    check(
      property(array(item, { maxLength: 6 }), string(), integer({ min: 1, max: 40 }), (items, word, size) => {
        const list = { kind: 'NodeList', metadata: { resourceVersion: '17', word }, items };
        const result = split(JSON.stringify(list), size);
        assert.deepEqual(result.items, JSON.parse(JSON.stringify(items)));
        assert.deepEqual(result.envelope, { ...list, items: [] });
      }),
      { numRuns: 60 },
    );
  });

  it('reads metadata after the items as well', () => {
    const { envelope, items } = split(
      '{"items": [ {"a": [1, {"b": "]}"}]} , {} ],\n"metadata":{"resourceVersion":"9"}}',
      3,
    );
    assert.deepEqual(items, [{ a: [1, { b: ']}' }] }, {}]);
    assert.equal(envelope.metadata?.resourceVersion, '9');
  });

  it('notices a text that breaks off', () => {
    assert.throws(() => split('{"items":[{"a":1},{"b"', 5), /ends in the middle/);
    assert.throws(() => split('', 5), /ends in the middle/);
  });

  it('refuses an item beyond 4 MiB', () => {
    assert.throws(
      () => split(`{"items":[{"a":"${'x'.repeat(4 * 1024 * 1024)}"}]}`, 65_536),
      /exceeds 4194304 bytes/,
    );
  });
});
