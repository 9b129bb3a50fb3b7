import assert from 'node:assert/strict';
import { decodeCheckpoint, encodeCheckpoint } from './device-checkpoint.ts';

const RECORD = {
  device: { name: 'flannel0', encapsulation: 'udp', local: '198.18.1.1', port: 8285 },
  settings: { mtu: 1472, ipv4: '10.5.1.0' },
  routes: [{ destination: '10.5.2.0/24', remote: '198.18.1.2', port: 8285 }],
} as const;

describe('the record of a device', () => {
  it('comes back as it was, also from a file that was longer before', () => {
    const text = encodeCheckpoint(RECORD);
    assert.deepEqual(decodeCheckpoint(text), RECORD);
    assert.deepEqual(decodeCheckpoint(`${text}rest of a longer one`), RECORD);
  });

  for (const [what, text] of [
    ['empty', ''],
    ['cut short', encodeCheckpoint(RECORD).slice(0, -10)],
    ['changed', encodeCheckpoint(RECORD).replace('198.18.1.2', '198.18.1.3')],
  ] as const)
    it(`is none when it is ${what}`, () => assert.equal(decodeCheckpoint(text), undefined));
});
