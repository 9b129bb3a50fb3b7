import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { fingerprint } from '../../lib/wireguard-key.ts';
import { parseNetworkConfig } from './config-parse.ts';
import { formatConfigIssue, type BackendConfig } from './config.ts';
import { DEFAULT_WIREGUARD } from './parse-wireguard.ts';
import { redactConfig } from './redact-config.ts';

const PSK = Buffer.alloc(32, 7).toString('base64');
const text = (backend: object, more: object = {}): string =>
  JSON.stringify({ Network: '10.5.0.0/16', ...more, Backend: { Type: 'wireguard', ...backend } });
const DUAL = { EnableIPv6: true, IPv6Network: 'fd00::/48' };

function accepted(document: string): BackendConfig {
  const result = parseNetworkConfig(document);
  assert.ok(result.ok, JSON.stringify(result));
  assert.deepEqual(result.warnings, []);
  return result.config.backend;
}

describe('config of the backend wireguard', () => {
  it("has flannel's defaults", () => {
    assert.deepEqual(accepted(text({})), DEFAULT_WIREGUARD);
    assert.deepEqual(accepted(text({ PSK: '', Mode: null, ListenPort: null })), DEFAULT_WIREGUARD);
  });

  it('takes every field, in any letter case', () => {
    const given = { psk: PSK, listenport: 1, LISTENPORTV6: 2, mtu: 1400, mode: 'auto' };
    const backend = accepted(
      text({ ...given, persistentkeepaliveinterval: 25, KeyEpoch: 3, RotateAfter: 86_400 }),
    );
    assert.ok(backend.type === 'wireguard');
    const { psk, ...rest } = backend;
    assert.equal(psk?.reveal(), PSK);
    assert.deepEqual(rest, {
      type: 'wireguard',
      pskId: fingerprint(Buffer.alloc(32, 7)),
      listenPort: 1,
      listenPortV6: 2,
      mtu: 1400,
      mode: 'auto',
      keepaliveSec: 25,
      keyEpoch: 3,
      rotateAfterSec: 86_400,
    });
    assert.ok(!JSON.stringify(backend).includes(PSK));
  });

  it('rotates keys once a minute at most', () => {
    const backend = accepted(text({ RotateAfter: 1 }));
    assert.equal(backend.type === 'wireguard' && backend.rotateAfterSec, 60);
  });

  const refused: readonly (readonly [string, string, RegExp])[] = [
    ['a short PSK', text({ PSK: 'topsecret' }), /\/Backend\/PSK must be 32 bytes in base64/],
    ['a PSK that is no text', text({ PSK: 7 }), /\/Backend\/PSK must be a string/],
    ['another Mode', text({ Mode: 'Separate' }), /\/Backend\/Mode .* did you mean "separate"\?/],
    ['a keepalive as text', text({ PersistentKeepaliveInterval: '25' }), /whole number 0\.\.65535/],
    ['port 0', text({ ListenPort: 0 }), /whole number 1\.\.65535/],
    ['one port for two devices', text({ ListenPort: 51821 }, DUAL), /must differ from ListenPort \(51821\)/],
    ['an MTU too small for IPv6', text({ MTU: 1359 }, DUAL), /must be at least 1360 if IPv6 is on/],
  ];
  for (const [what, document, message] of refused)
    it(`refuses ${what}`, () => {
      const result = parseNetworkConfig(document);
      assert.ok(!result.ok);
      const line = result.issues.map(formatConfigIssue).join('\n');
      assert.match(line, message);
      assert.ok(!line.includes('topsecret'));
    });

  it('allows one port where one device carries both families', () => {
    const backend = accepted(text({ ListenPort: 51821, Mode: 'ipv6' }, DUAL));
    assert.equal(backend.type === 'wireguard' && backend.listenPort, 51821);
  });

  it('a repeated PSK, and one of another backend, are warnings without the value', () => {
    for (const document of [
      `{"Network":"10.5.0.0/16","Backend":{"Type":"wireguard","PSK":"topsecret","psk":"${PSK}"}}`,
      '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","PSK":"topsecret"}}',
    ]) {
      const result = parseNetworkConfig(document);
      assert.ok(result.ok && result.warnings.length === 1, document);
      assert.ok(!result.warnings.map(formatConfigIssue).join('').includes('topsecret'));
    }
  });

  it('is printed without its PSK', () => {
    const document = `{"Backend": {"Psk" : "a\\"b", "Type": "wireguard"}, "PSK":"${PSK}"}`;
    assert.equal(
      redactConfig(document),
      '{"Backend": {"Psk" : "[redacted]", "Type": "wireguard"}, "PSK":"[redacted]"}',
    );
  });
});
