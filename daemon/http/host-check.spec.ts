import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { isHostAccepted } from './host-check.ts';

describe('the check of the Host header', () => {
  const names = ['node1.example.com', '*.cluster.local'];
  const cases: readonly (readonly [header: string | undefined, isAccepted: boolean])[] = [
    [undefined, true],
    ['127.0.0.1:9090', true],
    ['198.18.1.1', true],
    ['[::1]:9090', true],
    ['[fd00::1]', true],
    ['localhost', true],
    ['LOCALHOST:9090', true],
    ['weft.localhost', true],
    [hostname(), true],
    [`${hostname().toUpperCase()}.:9090`, true],
    ['node1.example.com', true],
    ['Node1.Example.com.:9090', true],
    ['a.b.cluster.local:1', true],
    ['cluster.local', false],
    ['xcluster.local', false],
    ['example.com', false],
    ['evil.example:9090', false],
    [`${hostname()}.evil.example`, false],
    ['localhost.evil.example', false],
    ['127.0.0.1.evil.example', false],
    ['127.0.0.1@evil.example', false],
    ['node1.example.com:9090@evil', false],
    ['[evil.example]', false],
    ['', false],
    [':9090', false],
  ];
  for (const [header, isAccepted] of cases)
    it(`${isAccepted ? 'accepts' : 'rejects'} ${header}`, () => {
      assert.equal(isHostAccepted(header, names), isAccepted);
    });
});
