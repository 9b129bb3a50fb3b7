import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { formatEndpoint, parseEndpoint } from './endpoint.ts';

describe('endpoint', () => {
  for (const text of ['192.0.2.1:51820', '[2001:db8::1]:1', '0.0.0.0:65535'])
    it(`${text} is read and written`, () => {
      const endpoint = parseEndpoint(text);
      assert.ok(endpoint);
      assert.equal(formatEndpoint(endpoint), text);
    });

  for (const text of [
    '',
    '192.0.2.1',
    '2001:db8::1:51820',
    '[192.0.2.1',
    '192.0.2.1:65536',
    'host:1',
    '[::1]:',
  ])
    it(`${JSON.stringify(text)} is none`, () => assert.equal(parseEndpoint(text), undefined));
});
