import assert from 'node:assert/strict';
import { NO_COUNTERS, parseDeviceCounters, withPathTraffic } from './device-counters.ts';

describe('device counters', () => {
  it('are parsed from the columns of /proc/net/dev for any device name', () => {
    const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
flannel.1:     1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
  a:b: 17 0 0 0 0 0 0 0 18 0 0 0 0 0 0 0
`;
    const counters = parseDeviceCounters(text);
    assert.deepEqual([...counters.keys()], ['flannel.1', 'a:b']);
    assert.deepEqual(counters.get('flannel.1'), {
      rxBytes: 1,
      rxPackets: 2,
      rxErrors: 3,
      rxDropped: 4,
      rxOverruns: 5,
      rxFrame: 6,
      txBytes: 9,
      txPackets: 10,
      txErrors: 11,
      txDropped: 12,
      txOverruns: 13,
      collisions: 14,
      txCarrier: 15,
    });
    assert.deepEqual([counters.get('a:b')?.rxBytes, counters.get('a:b')?.txBytes], [17, 18]);
  });

  it('have the traffic of a packet path that passes its device only in part', () => {
    const device = { ...NO_COUNTERS, rxBytes: 1, rxPackets: 1, txBytes: 2, txPackets: 2, txDropped: 7 };
    const path = {
      devices: () => [{ name: 'flannel.1' }, { name: 'gone' }],
      status: () => ({ counters: { rxBytes: 5000n, rxPackets: 50n, txBytes: 6000n, txPackets: 60n } }),
    } as unknown as Parameters<typeof withPathTraffic>[1];
    const counters = withPathTraffic(
      new Map([
        ['flannel.1', device],
        ['eth0', device],
      ]),
      path,
    );
    assert.deepEqual(counters.get('flannel.1'), {
      ...device,
      rxBytes: 5000,
      rxPackets: 50,
      txBytes: 6000,
      txPackets: 60,
    });
    assert.deepEqual([[...counters.keys()], counters.get('eth0')], [['flannel.1', 'eth0'], device]);
  });
});
