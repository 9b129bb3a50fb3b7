import assert from 'node:assert/strict';
import { decodeCheckpoint, encodeCheckpoint } from './device-checkpoint.ts';

const CHECKPOINT = {
  device: { name: 'flannel0', encapsulation: 'udp', local: '198.18.1.1', port: 8285 },
  settings: { mtu: 1472, ipv4: '10.5.1.0' },
  routes: [{ destination: '10.5.2.0/24', remote: '198.18.1.2', port: 8285 }],
} as const;

describe('the checkpoint of a device', () => {
  it('is decoded as it was, also from a file that was longer before', () => {
    const text = encodeCheckpoint(CHECKPOINT);
    assert.deepEqual(decodeCheckpoint(text), CHECKPOINT);
    assert.deepEqual(decodeCheckpoint(`${text}rest of a longer one`), CHECKPOINT);
  });

  for (const [what, text] of [
    ['empty', ''],
    ['cut short', encodeCheckpoint(CHECKPOINT).slice(0, -10)],
    ['changed', encodeCheckpoint(CHECKPOINT).replace('198.18.1.2', '198.18.1.3')],
  ] as const)
    it(`is invalid if it is ${what}`, () => assert.equal(decodeCheckpoint(text), undefined));
});
