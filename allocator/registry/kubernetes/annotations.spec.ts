import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { parseAnnotationPrefix } from './annotations.ts';

describe('parseAnnotationPrefix', () => {
  for (const [text, backendType] of [
    ['flannel.alpha.coreos.com', 'flannel.alpha.coreos.com/backend-type'],
    ['flannel.alpha.coreos.com/', 'flannel.alpha.coreos.com/backend-type'],
    ['example.com/net', 'example.com/net-backend-type'],
    ['example.com/net-', 'example.com/net-backend-type'],
  ] as const)
    it(`makes ${backendType} of ${text}`, () => {
      const names = parseAnnotationPrefix(text);
      assert.equal(typeof names === 'string' ? names : names.backendType, backendType);
    });

  for (const text of ['', 'nodots', 'Upper.example.com', 'a.b/c/d', 'a.b/ ', 'a..b/c'])
    it(`refuses ${JSON.stringify(text)}`, () => {
      const reason = parseAnnotationPrefix(text);
      assert.match(typeof reason === 'string' ? reason : '', /^must be a domain in lower case/);
    });
});
