import assert from 'node:assert/strict';
import { COUNTERS_AFTER, COUNTERS_BEFORE } from '../fixture/devices.ts';
import { PLAIN } from './style.ts';
import { formatTop } from './format-top.ts';

describe('weft top prints', () => {
  it('rates, none below zero', () => {
    assert.equal(
      formatTop(COUNTERS_BEFORE, COUNTERS_AFTER, PLAIN),
      `weft up 1 min 2 s  CPU 13 %  72 MB  1 of 3 peers programmed  1 pending
1 in error  registry unreachable  revision 14

DEVICE      RECEIVED  PACKETS/S     SENT  PACKETS/S  LOST/S
flannel.1  10 Mbit/s        1.5  0 bit/s          0      20
eth0         0 bit/s          0  0 bit/s          0       0

PACKET PATH                /S  TOTAL
flannel.1 txPackets      1000   2100
flannel.1 dropTxNoRoute     0      4

kernel  runs 5 (+2)  steps 11 (+2)  changed by others 1 (+1)  failed 0 (+0)
`,
    );
  });

  const busy = {
    ...COUNTERS_AFTER,
    uptimeMs: 1_000_000_000,
    devices: Object.fromEntries(
      ['flannel-v6.9999', 'enp130s0f0np0', 'a'].map((name, index) => [
        name,
        {
          ...COUNTERS_AFTER.devices['eth0']!,
          rxBytes: 9e17 * (index + 1),
          rxPackets: 9e15,
          txBytes: 9e17 * (3 - index),
          txPackets: 9e15,
          rxDropped: index === 1 ? 9e14 : 0,
        },
      ]),
    ),
    kernel: { runs: 123_456_789, steps: 987_654_321, drift: 1_234_567, failures: 765_432 },
    registry: { isConnected: false, revision: 1_234_567_890 },
  };
  const idle = {
    ...busy,
    uptimeMs: busy.uptimeMs - 1000,
    devices: Object.fromEntries(
      Object.keys(busy.devices).map((name) => [
        name,
        { ...busy.devices[name]!, rxBytes: 0, txBytes: 0, rxPackets: 0, txPackets: 0, rxDropped: 0 },
      ]),
    ),
  };

  it('no line of more than 80 columns, however large the numbers', () => {
    for (const line of formatTop(idle, busy, PLAIN).split('\n')) assert.ok(line.length <= 80, line);
    for (const line of formatTop(idle, busy, PLAIN, { isHelp: true }).split('\n'))
      assert.ok(line.length <= 100, line);
    assert.match(formatTop(COUNTERS_BEFORE, busy, PLAIN), /runs 123 M \(\+123 M\)/);
  });

  const orders = [
    ['name', ['flannel-v6.9999', 'enp130s0f0np0', 'a']],
    ['received', ['a', 'enp130s0f0np0', 'flannel-v6.9999']],
    ['sent', ['flannel-v6.9999', 'enp130s0f0np0', 'a']],
    ['lost', ['enp130s0f0np0', 'flannel-v6.9999', 'a']],
  ] as const;
  for (const [sort, names] of orders)
    it(`devices by ${sort}`, () => {
      const lines = formatTop(idle, busy, PLAIN, { sort }).split('\n');
      const from = lines.findIndex((line) => line.startsWith('DEVICE'));
      assert.deepEqual(
        lines.slice(from + 1, from + 4).map((line) => line.split(' ')[0]),
        names,
      );
    });
});
