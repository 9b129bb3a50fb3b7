import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { UsageError } from '../usage-error.ts';
import { withNextEpoch } from './wireguard.ts';

describe('weft wireguard rotate', () => {
  for (const [before, after] of [
    [
      '{"Network":"10.5.0.0/16","Backend":{"Type":"wireguard"}}',
      '{"Network":"10.5.0.0/16","Backend":{"Type":"wireguard","KeyEpoch":1}}',
    ],
    [
      '{"network":"10.5.0.0/16","backend":{"keyepoch":7,"type":"WireGuard","PSK":""}}',
      '{"network":"10.5.0.0/16","backend":{"keyepoch":8,"type":"WireGuard","PSK":""}}',
    ],
  ] as const)
    it(`changes the epoch alone: ${before}`, () => {
      const { text, config } = withNextEpoch(before);
      assert.deepEqual(JSON.parse(text), JSON.parse(after));
      assert.equal(
        config.backend.type === 'wireguard' && config.backend.keyEpoch,
        JSON.parse(after).Backend?.KeyEpoch ?? 8,
      );
    });

  it('refuses another backend, and a document that is wrong', () => {
    assert.throws(() => withNextEpoch('{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}'), /no keys/);
    assert.throws(() => withNextEpoch('{"Network":1}'), UsageError);
  });
});
