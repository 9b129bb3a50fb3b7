import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { fingerprint, generateWireguardKey, parseWireguardKey, wireguardPublicKey } from './wireguard-key.ts';

describe('WireGuard keys', () => {
  it('the public key of a private one is that of RFC 7748 §6.1', () => {
    const alice = Buffer.from('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a', 'hex');
    const expected = '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a';
    assert.equal(wireguardPublicKey(alice), Buffer.from(expected, 'hex').toString('base64'));
  });

  it('a new key is clamped', () => {
    for (const fill of [0x00, 0xff]) {
      const key = generateWireguardKey((bytes) => Buffer.alloc(bytes, fill));
      assert.equal(key[0]! & 7, 0);
      assert.equal(key[31]! & 0xc0, 0x40);
    }
    assert.notDeepEqual(generateWireguardKey(), generateWireguardKey());
  });

  it('parses 32 bytes in base64 and nothing else', () => {
    const key = Buffer.alloc(32, 0xfb);
    assert.deepEqual(parseWireguardKey(key.toString('base64')), key);
    for (const text of [
      '',
      'AAAA',
      `${key.toString('base64')}\n`,
      key.toString('hex'),
      `${'A'.repeat(42)}B=`,
    ])
      assert.equal(parseWireguardKey(text), undefined, text);
  });

  it('a fingerprint names a key and shows none of it', () => {
    assert.equal(fingerprint(Buffer.alloc(32)), '66687aadf862bd77');
    assert.notEqual(fingerprint(Buffer.alloc(32, 1)), fingerprint(Buffer.alloc(32, 2)));
  });
});
