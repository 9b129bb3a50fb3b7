import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { KnownDevices } from './known-devices.ts';
import type { LinkMessage } from './netlink/link.ts';
import type { NetlinkClient } from './netlink/netlink-client.ts';
import { DONE, rejection } from './netlink/outcome.ts';

/** Answers with a device of the present index, and counts. */
function fakeClient() {
  const state = { index: 7, reads: 0, onRead: (): void => undefined };
  const get = (): Promise<unknown> => {
    state.reads++;
    state.onRead();
    const { index } = state;
    return Promise.resolve(
      index === 0
        ? { outcome: rejection('ENODEV', 'gone') }
        : { outcome: DONE, item: { index } as LinkMessage },
    );
  };
  return { state, client: { get } as unknown as NetlinkClient };
}

const NAMES = new Set(['flannel.1']);

describe('known devices', () => {
  async function indexOf(known: KnownDevices, client: NetlinkClient): Promise<number | string> {
    const device = (await known.find(client, NAMES)).devices.get('flannel.1')!;
    return 'status' in device ? device.status : device.index;
  }

  it('are read once, and again after a change', async () => {
    const { state, client } = fakeClient();
    const known = new KnownDevices(true);
    assert.deepEqual([await indexOf(known, client), await indexOf(known, client)], [7, 7]);
    assert.equal(state.reads, 1);
    state.index = 8;
    known.forget();
    assert.deepEqual([await indexOf(known, client), state.reads], [8, 2]);
  });

  it('are not kept if they changed while they were read, if they are missing, or without notifications', async () => {
    const { state, client } = fakeClient();
    const known = new KnownDevices(true);
    state.onRead = () => known.forget();
    await indexOf(known, client);
    await indexOf(known, client);
    assert.equal(state.reads, 2);
    const unnotified = new KnownDevices(false);
    await indexOf(unnotified, client);
    await indexOf(unnotified, client);
    assert.equal(state.reads, 4);
    state.index = 0;
    state.onRead = () => undefined;
    const missing = new KnownDevices(true);
    assert.equal(await indexOf(missing, client), 'rejected');
    state.index = 9;
    assert.equal(await indexOf(missing, client), 9);
  });
});
