import assert from 'node:assert/strict';
import { COUNTERS_AFTER, COUNTERS_BEFORE } from '../fixture/devices.ts';
import { PLAIN } from './style.ts';
import { formatTop } from './format-top.ts';

describe('weft top prints', () => {
  it('rates, none below zero', () => {
    assert.equal(
      formatTop(COUNTERS_BEFORE, COUNTERS_AFTER, PLAIN),
      `weft up 1 min 2 s  CPU 13 %  72 MB  1 of 3 peers programmed  1 pending  1 in error  registry unreachable  revision 14

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
});
