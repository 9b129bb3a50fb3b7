import assert from 'node:assert/strict';
import { withBpfSupport } from './bpf-support.ts';

describe('the BPF fast path', () => {
  const options = { names: [], patterns: [] };
  for (const [release, isOff] of [
    ['5.10.0-28-amd64', true],
    ['4.19.0', true],
    ['5.11', true],
    ['5.12', false],
    ['5.15.0', false],
    ['6.1.0-28-amd64', false],
    ['6.12.0', false],
    ['7.0.0-rc1', false],
  ] as const)
    it(`is ${isOff ? 'off' : 'possible'} on ${release}`, () =>
      assert.equal(withBpfSupport(options, release).isBpfOff, isOff ? true : undefined));

  it('stays off where a flag turns it off', () =>
    assert.equal(withBpfSupport({ ...options, isBpfOff: true }, '6.12.0').isBpfOff, true));
});
