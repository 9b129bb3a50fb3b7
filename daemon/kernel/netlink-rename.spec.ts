import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Cidr, IpAddress, MacAddress } from '../../lib/address.ts';
import {
  NUD_PERMANENT,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWNEIGH,
  RTM_NEWROUTE,
  RTPROT_KERNEL,
} from './netlink/constants.ts';
import { MessageWriter } from './netlink/message.ts';
import type { NetlinkClient, Request } from './netlink/netlink-client.ts';
import { DONE, rejection } from './netlink/outcome.ts';
import { renameLink } from './netlink-rename.ts';

const INDEX = 5;
const ROUTE = {
  index: INDEX,
  destination: '10.5.7.0/24' as Cidr,
  gateway: '10.5.7.0' as IpAddress,
  isOnLink: true,
  protocol: 87,
  type: 1,
  hops: 1,
};
const TABLES: Readonly<Record<string, readonly object[]>> = {
  addresses: [
    { index: INDEX, address: 'fd00:5::', prefixLength: 128, scope: 0 },
    { index: INDEX, address: 'fe80::1', prefixLength: 64, scope: 253 },
    { index: INDEX, address: '10.5.1.0', prefixLength: 32, scope: 0 },
    { index: 2, address: 'fd00:c6::1', prefixLength: 64, scope: 0 },
  ],
  routes: [ROUTE, { ...ROUTE, index: 2 }, { ...ROUTE, protocol: RTPROT_KERNEL }],
  neighbours: [
    { index: INDEX, state: NUD_PERMANENT, address: '10.5.7.0', mac: '02:00:00:00:00:07' as MacAddress },
    { index: INDEX, state: 2, address: '10.5.8.0', mac: '02:00:00:00:00:08' as MacAddress },
    { index: 2, state: NUD_PERMANENT, address: '192.0.2.9', mac: '02:00:00:00:00:09' as MacAddress },
  ],
};

/** Types of the messages of each batch. */
async function batchesOf(isUp: boolean, errno?: string): Promise<readonly (readonly number[])[]> {
  const batches: number[][] = [];
  const typeOf = (request: Request): number => {
    const writer = new MessageWriter(1024);
    request(writer);
    return writer.bytes.readUInt16LE(4);
  };
  const client = {
    get: () => Promise.resolve({ outcome: DONE, item: { index: INDEX, name: 'flannel.1', isUp } }),
    dump: (what: string) => Promise.resolve(TABLES[what]),
    send: (requests: readonly Request[]) => {
      batches.push(requests.map(typeOf));
      const first = batches.length === 1 && errno !== undefined ? rejection(errno, errno) : DONE;
      return Promise.resolve(requests.map(() => first));
    },
  } as unknown as NetlinkClient;
  await renameLink(client, 'flannel.1', 'flannel-p8472');
  return batches;
}

describe('the rename of a device', () => {
  it('is one request where the kernel renames a device that is up', async () => {
    assert.deepEqual(await batchesOf(true), [[RTM_NEWLINK]]);
    assert.deepEqual(await batchesOf(true, 'EEXIST'), [[RTM_NEWLINK]]);
  });

  it('takes it down, up, and what it loses with it, in one batch, before Linux 6.2', async () => {
    const [, batch = []] = await batchesOf(true, 'EBUSY');
    assert.deepEqual(batch, [
      RTM_NEWLINK,
      RTM_NEWLINK,
      RTM_NEWLINK,
      RTM_NEWADDR,
      // Each family of this fake has the same route.
      RTM_NEWROUTE,
      RTM_NEWROUTE,
      RTM_NEWNEIGH,
    ]);
  });

  it('leaves a device down that was', async () => {
    assert.deepEqual(await batchesOf(false, 'EBUSY'), [[RTM_NEWLINK], [RTM_NEWLINK, RTM_NEWLINK]]);
  });
});
