import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { NO_LEASE, toRevision } from '../registry.ts';
import { formatSavedNodes, parseSavedNodes } from './saved-nodes.ts';

const OWNER = { nodeName: 'a', prefix: 'flannel.alpha.coreos.com/' };
const entryOf = (key: string, value: object, modRevision = 7) => ({
  key,
  value: JSON.stringify(value),
  leaseId: NO_LEASE,
  modRevision: toRevision(modRevision),
});
const OWN = entryOf('a', { uid: 'u1', podCidrs: ['10.244.1.0/24'], value: {}, own: { isManaged: 'true' } });
const PEER = entryOf('b', { uid: 'u2', podCidrs: ['10.244.2.0/24'], value: { PublicIP: '198.18.1.2' } });
const SAVED = { revision: toRevision(9), savedAt: '2026-11-30T04:00:00.000Z', entries: [OWN, PEER] };

describe('the file of the nodes known last', () => {
  it('says the same when it is read again', () => {
    assert.deepEqual(parseSavedNodes(formatSavedNodes(OWNER, SAVED), OWNER), SAVED);
  });

  const text = formatSavedNodes(OWNER, SAVED);
  for (const [what, bad, reason] of [
    ['a file that ends in the middle', text.slice(0, -20), /not JSON/],
    ['null', 'null', /version/],
    ['a list', '[]', /version/],
    ['another version', text.replace('"version":1', '"version":2'), /version is 2/],
    ['another node', formatSavedNodes({ ...OWNER, nodeName: 'z' }, SAVED), /of node "z"/],
    ['another prefix', formatSavedNodes({ ...OWNER, prefix: 'x.io/' }, SAVED), /prefix "x\.io/],
    ['no time', text.replace(SAVED.savedAt, 'soon'), /no time/],
    ['a revision that is none', text.replace('"revision":9', '"revision":"9"'), /no revision/],
    ['no entries', text.replace('"entries":[', '"more":['), /no entries/],
    [
      'too many entries',
      formatSavedNodes(OWNER, { ...SAVED, entries: Array.from({ length: 20_001 }, () => PEER) }),
      /20001 entries/,
    ],
  ] as const)
    it(`is not used: ${what}`, () => {
      const result = parseSavedNodes(bad, OWNER);
      assert.match(typeof result === 'string' ? result : 'used', reason);
    });

  for (const [what, bad] of [
    ['no object', null],
    ['no key', { value: PEER.value, modRevision: 7 }],
    ['a key that is too long', { ...PEER, key: 'x'.repeat(254) }],
    ['a value that is no JSON', { ...PEER, value: '{' }],
    ['a value that is too long', { ...PEER, value: `"${'x'.repeat(131_072)}"` }],
    ['pod CIDRs that are no texts', entryOf('b', { uid: 'u', podCidrs: [7], value: {} })],
    ['an own entry without UID', entryOf('a', { podCidrs: ['10.244.1.0/24'], value: {}, own: {} })],
    ['an own annotation that is no text', entryOf('a', { uid: 'u', value: {}, own: { publicIp: 7 } })],
    ['a revision that is none', { ...PEER, modRevision: -1 }],
  ] as const)
    it(`leaves out an entry alone: ${what}`, () => {
      const entries = [bad as typeof PEER, PEER].filter((one) => one !== null);
      const written = formatSavedNodes(OWNER, { ...SAVED, entries });
      const result = parseSavedNodes(
        bad === null ? written.replace('"entries":[', '"entries":[null,') : written,
        OWNER,
      );
      assert.deepEqual(typeof result === 'string' ? result : result.entries, [PEER]);
    });
});
