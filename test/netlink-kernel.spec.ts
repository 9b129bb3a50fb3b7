// The netlink kernel against the kernel of this machine, in a network namespace of its own: the
// compliance suite, and what only a real kernel shows (the output of ip and bridge, interrupted
// dumps, full buffers, missing rights).
//
//   kt0 (192.0.2.1/24, 2001:db8::1/64) ── veth ── kt1
//    └ flannel.900, flannel-v6.900, and flannel9 of the packet path
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { before, describe, it } from 'mocha';
import type { Cidr, IpAddress, MacAddress } from '../lib/address.ts';
import { type KernelObject, objectKey } from '../backends/kernel-state.ts';
import type { KernelNotification, Step, StepResult } from '../daemon/kernel/kernel.ts';
import { openNetlinkKernel, type NetlinkKernelOptions } from '../daemon/kernel/netlink-kernel.ts';
import { WireguardKeyring } from '../daemon/kernel/wireguard/wireguard-keyring.ts';
import type { OpenSocket } from '../daemon/kernel/netlink/datagram-socket.ts';
import { socketOpener } from '../daemon/kernel/netlink/socket.ts';
import {
  ADDRESS,
  ADDRESS6,
  describeKernel,
  DEVICE,
  DEVICE6,
  FDB,
  FDB6,
  FOU_LINKS,
  type KernelFixture,
  LINK,
  LINK6,
  makePeers,
  NEIGHBOUR,
  NEIGHBOUR6,
  OWNERSHIP,
  ROUTE,
  ROUTE6,
  TUN,
  UNDERLAY,
  WIREGUARD_OTHER_KEY,
  WIREGUARD_PRIVATE_KEY,
  WIREGUARD_PSK,
} from './compliance/kernel.ts';
import { loadNative } from '../native/index.ts';
import { openPacketPath } from '../native/packet-path.ts';
import { bridge, externalActor, ip, ipBatch } from './support/external-actor.ts';
import { kernelHas } from './support/kernel-features.ts';
import { waitFor } from '../lab/wait.ts';

/**
 * @throws Error unless the runner has put this process into a network namespace of its own, and the
 * addon is built
 */
function requireOwnNamespace(): void {
  const addon = loadNative();
  if (addon.native === undefined)
    throw new Error(`This suite needs the addon for losses and kernel texts: ${addon.reason}`);
  if (process.env['WEFT_TEST_NETNS'] === '1') return;
  if (!hasOwnNamespace())
    throw new Error(
      'This suite changes devices and routes: run it with "sh test/in-namespaces.sh npx mocha FILE"',
    );
}

function hasOwnNamespace(): boolean {
  try {
    return readlinkSync('/proc/self/ns/net') !== readlinkSync('/proc/1/ns/net');
  } catch {
    // Without the right to read the first process's namespace nothing proves that ours is another.
    return false;
  }
}

function openFixture(options?: Partial<NetlinkKernelOptions>): KernelFixture {
  ipBatch([
    `link add ${UNDERLAY} type veth peer name kt1`,
    ...[UNDERLAY, 'kt1'].map((name) => `link set ${name} up`),
    `address add 192.0.2.1/24 dev ${UNDERLAY}`,
    `address add 2001:db8::1/64 dev ${UNDERLAY} nodad`,
  ]);
  const { native } = loadNative();
  const packetPath = native && openPacketPath(native);
  const keyring = new WireguardKeyring();
  keyring.addPrivateKey(WIREGUARD_PRIVATE_KEY);
  keyring.addPrivateKey(WIREGUARD_OTHER_KEY);
  keyring.addPresharedKey(WIREGUARD_PSK);
  const kernel = openNetlinkKernel({ ...options, native, packetPath, keyring });
  const close = (): void => {
    kernel.close();
    packetPath?.closeAll();
    const links = ip('-o link');
    deleteFouPorts();
    const left = [DEVICE, DEVICE6, TUN, UNDERLAY].filter((name) => links.includes(` ${name}`));
    ipBatch([...left.map((name) => `link delete ${name}`), 'route flush proto 87']);
    ip('-6 route flush proto 87');
  };
  return { kernel, actor: externalActor, hasSecrets: true, close };
}

/** A port of FOU outlives its device. */
function deleteFouPorts(): void {
  for (const link of FOU_LINKS) {
    try {
      externalActor.deleteFouPort(link);
    } catch {
      // There is none, as after most tests.
    }
  }
}

const set = (object: KernelObject): Step => ({ action: 'set', object });

const statusesOf = (results: readonly StepResult[]): string[] => results.map(({ status }) => status);

/** Opens a kernel, makes the devices, runs `test` and cleans up. */
async function withKernel(
  test: (fixture: KernelFixture) => Promise<void>,
  options?: Partial<NetlinkKernelOptions>,
): Promise<void> {
  const fixture = openFixture(options);
  try {
    const results = await fixture.kernel.apply([LINK, LINK6, ADDRESS, ADDRESS6].map(set));
    assert.ok(results.every(({ status }) => status === 'done'));
    await test(fixture);
  } finally {
    fixture.close();
  }
}

describeKernel(
  'netlink',
  () => {
    requireOwnNamespace();
    return openFixture();
  },
  { hasFou: kernelHas('fou'), hasIpip: kernelHas('ipip') },
);

describe('netlink kernel', () => {
  before(requireOwnNamespace);

  it('creates what ip and bridge show', () =>
    withKernel(async ({ kernel }) => {
      await kernel.apply([NEIGHBOUR, NEIGHBOUR6, FDB, FDB6, ROUTE, ROUTE6].map(set));
      const [link] = JSON.parse(ip(`-j -d link show ${DEVICE}`));
      assert.deepEqual(
        [link.mtu, link.address, link.flags.includes('UP'), link.txqlen, link.linkinfo.info_kind],
        [1450, LINK.mac, true, undefined, 'vxlan'],
      );
      assert.deepEqual(link.linkinfo.info_data, {
        id: 900,
        local: '192.0.2.1',
        link: UNDERLAY,
        port_range: { low: 0, high: 0 },
        port: 8472,
        learning: false,
        ttl: 0,
        df: 'unset',
        ageing: 300,
        udp_csum: true,
        udp_zero_csum6_tx: false,
        udp_zero_csum6_rx: false,
      });
      assert.match(ip(`address show dev ${DEVICE}`), /inet 10\.5\.72\.0\/32 scope global flannel\.900\n/);
      assert.match(ip(`address show dev ${DEVICE6}`), /inet6 fd00:5:72::\/128 scope global nodad/);
      assert.equal(ip(`neighbour show dev ${DEVICE}`).trim(), '10.5.2.0 lladdr 02:00:00:00:00:02 PERMANENT');
      assert.match(ip(`-6 neighbour show dev ${DEVICE6}`), /^fd00:5:2:: lladdr 02:00:00:00:00:02 PERMANENT/m);
      assert.equal(bridge(`fdb show dev ${DEVICE}`).trim(), '02:00:00:00:00:02 dst 192.0.2.2 self permanent');
      assert.equal(
        bridge(`fdb show dev ${DEVICE6}`).trim(),
        '02:00:00:00:00:02 dst 2001:db8::2 self permanent',
      );
      assert.equal(ip('route show proto 87').trim(), `10.5.2.0/24 via 10.5.2.0 dev ${DEVICE} onlink`);
      assert.match(
        ip('-6 route show proto 87'),
        /^fd00:5:2::\/64 via fd00:5:2:: dev flannel-v6\.900 metric 1024 onlink/,
      );
    }));

  it('reads a device with settings that weft never makes as drift', () =>
    withKernel(async ({ kernel }) => {
      ip(`link delete ${DEVICE}`);
      ip(
        `link add ${DEVICE} type vxlan id 900 local 192.0.2.1 dev ${UNDERLAY} dstport 8472 ttl 64 l2miss group 239.1.1.1`,
      );
      const link = (await kernel.readState(OWNERSHIP)).objects.get(objectKey(LINK));
      assert.equal(link?.mismatch, 'group 239.1.1.1, ttl 64, l2miss, down, txqlen 1000');
    }));

  for (const [route, gateways] of [
    [ROUTE, ['192.0.2.7', '192.0.2.8']],
    [ROUTE6, ['2001:db8::7', '2001:db8::8']],
  ] as const)
    it(`${route.destination}: a multipath route is drift; set replaces it, remove removes it`, () =>
      withKernel(async ({ kernel }) => {
        const hops = gateways.map((gateway) => `nexthop via ${gateway} dev ${UNDERLAY}`).join(' ');
        const key = objectKey(route);
        for (const action of ['set', 'remove'] as const) {
          ip(`route replace ${route.destination} proto 87 ${hops}`);
          const found = (await kernel.readState(OWNERSHIP)).objects.get(key);
          assert.equal(found?.mismatch, '2 next hops');
          const step: Step =
            action === 'set' ? { action, object: route, current: found } : { action, object: found };
          assert.equal((await kernel.apply([step]))[0]?.status, 'done');
          const after = (await kernel.readState(OWNERSHIP)).objects.get(key);
          assert.equal(after?.mismatch, undefined);
          assert.equal(after === undefined, action === 'remove');
        }
      }));

  it('clears an FDB remote with a port of its own', () =>
    withKernel(async ({ kernel }) => {
      bridge(`fdb append ${FDB.mac} dev ${DEVICE} dst ${FDB.destination} port 4790 self permanent`);
      const found = (await kernel.readState(OWNERSHIP)).objects.get(objectKey(FDB));
      assert.equal(found?.mismatch, 'port 4790');
      assert.equal((await kernel.apply([{ action: 'set', object: FDB, current: found }]))[0]?.status, 'done');
      assert.equal(
        bridge(`fdb show dev ${DEVICE}`).trim(),
        `${FDB.mac} dst ${FDB.destination} self permanent`,
      );
    }));

  it('has the text of the kernel in a rejection', () =>
    withKernel(async ({ kernel }) => {
      const object = { ...ROUTE, gateway: '203.0.113.1' as IpAddress, isOnLink: false };
      const [result] = await kernel.apply([set(object)]);
      assert.ok(result?.status === 'rejected');
      assert.match(result.message, /Nexthop has invalid gateway/);
    }));

  it('reads whole tables while another process changes them', () =>
    withKernel(async ({ kernel }) => {
      const peers = makePeers(2000);
      await kernel.apply(peers.map(set));
      const script =
        'while :; do ip link add ktx type bridge; ip address add 198.51.100.1/32 dev ktx; ip link delete ktx;' +
        `ip route replace 10.5.200.0/24 via 192.0.2.7 dev ${UNDERLAY} proto 4; ip route delete 10.5.200.0/24; done`;
      const other = spawn('sh', ['-c', script], { stdio: 'ignore' });
      try {
        for (let round = 0; round < 20; round++) {
          const { objects } = await kernel.readState(OWNERSHIP);
          assert.equal(objects.size, peers.length + 4);
        }
      } finally {
        const gone = new Promise((resolve) => other.once('exit', resolve));
        other.kill('SIGKILL');
        await gone;
        if (ip('-o link').includes(' ktx:')) ip('link delete ktx');
      }
    }));

  it('finds a device that was made again before its notification is read', () =>
    withKernel(async ({ kernel }) => {
      kernel.subscribe(
        () => OWNERSHIP,
        () => undefined,
      );
      assert.deepEqual(statusesOf(await kernel.apply([set(NEIGHBOUR)])), ['done']);
      ip(`link delete ${DEVICE}`);
      ip(`link add ${DEVICE} type vxlan id 999 dstport 9999`);
      ip(`link set ${DEVICE} up`);
      assert.deepEqual(statusesOf(await kernel.apply([set(NEIGHBOUR)])), ['done']);
      assert.match(ip(`neighbour show dev ${DEVICE}`), new RegExp(NEIGHBOUR.address.replaceAll('.', '\\.')));
    }));

  it('reports what steps on a device change of interfaces before it reports their outcomes', () =>
    withKernel(async ({ kernel }) => {
      const [during, after] = [[], []] as [string[], string[]];
      let seen = after;
      kernel.subscribe(
        () => OWNERSHIP,
        (notification) => notification.kind === 'interfaces' && seen.push(...notification.names),
      );
      await kernel.apply([set(LINK)]);
      after.length = 0;
      for (let round = 0; round < 20; round++)
        for (const step of [{ action: 'remove', object: LINK } as const, set(LINK)]) {
          [seen, during.length] = [during, 0];
          assert.deepEqual(statusesOf(await kernel.apply([step])), ['done']);
          seen = after;
          assert.ok(during.includes(DEVICE));
        }
      ip('link add ktlast type bridge');
      await waitFor('all is read', () => after.includes('ktlast'));
      ip('link delete ktlast');
      assert.ok(!after.includes(DEVICE), 'else it is taken for a change by another program');
    }));

  it('reports thousands of changes that wait at once, each in its order', () =>
    withKernel(async ({ kernel }) => {
      const keys: string[] = [];
      kernel.subscribe(
        () => OWNERSHIP,
        (notification) => notification.kind === 'object' && keys.push(notification.key),
      );
      await kernel.apply([set(NEIGHBOUR)]);
      await waitFor('names of devices are read', () => keys.includes(objectKey(NEIGHBOUR)));
      keys.length = 0;
      // The event loop stands still meanwhile, so that all wait.
      const addresses = Array.from(
        { length: 2000 },
        (_, index) => `10.5.${100 + (index >> 8)}.${index & 255}`,
      );
      ipBatch(
        addresses.map(
          (address) => `neighbour add ${address} lladdr 02:00:00:00:00:01 dev ${DEVICE} nud permanent`,
        ),
      );
      await waitFor('all are reported', () => keys.length >= addresses.length);
      assert.deepEqual(
        keys,
        addresses.map((address) => `neighbour ${DEVICE} ${address}`),
      );
    }));

  it('reports an overrun when notifications exceed the buffer, and later changes', () =>
    withKernel(
      async ({ kernel }) => {
        const notifications: KernelNotification[] = [];
        kernel.subscribe(
          () => OWNERSHIP,
          (notification) => notifications.push(notification),
        );
        await kernel.apply(makePeers(1000).map(set));
        await waitFor('the overrun is reported', () => notifications.some(({ kind }) => kind === 'overrun'));
        notifications.length = 0;
        // The buffer may still be full, so that the first of them is lost, too.
        await waitFor('the neighbour is reported', () => {
          externalActor.setNeighbour(NEIGHBOUR);
          externalActor.deleteNeighbour(NEIGHBOUR);
          return notifications.some(
            (notification) => notification.kind === 'object' && notification.key === objectKey(NEIGHBOUR),
          );
        });
      },
      { notificationBytes: 2048 },
    ));

  it('reports unknown outcomes for answers that exceed the buffer, and the next steps work', () => {
    const cramped: OpenSocket = (settings, handlers) => {
      const open = socketOpener(loadNative().native);
      const socket = open({ ...settings, receiveBytes: 2048 }, handlers);
      return { ...socket, receiveBytes: 1 << 20 };
    };
    return withKernel(
      async ({ kernel }) => {
        const steps = makePeers(200)
          .filter(({ kind }) => kind === 'route')
          .map((object) =>
            set({ ...object, isOnLink: false, gateway: '203.0.113.1' as IpAddress } as KernelObject),
          );
        const results = await kernel.apply(steps);
        assert.equal(results.length, steps.length);
        assert.ok(results.some(({ status }) => status === 'unknown'));
        assert.ok(
          results.every(({ status }) => status !== 'done'),
          'a rejected step counts as done',
        );
        assert.equal((await kernel.apply([set(NEIGHBOUR)]))[0]?.status, 'done');
      },
      { openSocket: cramped },
    );
  });

  it('rejects every step with EPERM without CAP_NET_ADMIN, and reads work', () => {
    const script = `
      const { openNetlinkKernel } = await import(${JSON.stringify(import.meta.resolve('../daemon/kernel/netlink-kernel.js'))});
      const { loadNative } = await import(${JSON.stringify(import.meta.resolve('../native/index.js'))});
      const kernel = openNetlinkKernel({ native: loadNative().native });
      const address = { kind: 'address', dev: 'lo', address: '10.9.9.9/32' };
      const results = await kernel.apply([{ action: 'set', object: address }]);
      console.log(results[0].errno, (await kernel.readInterfaces()).length > 0);
      kernel.close();`;
    const args = [
      '--bounding-set=-all',
      '--inh-caps=-all',
      process.execPath,
      '--input-type=module',
      '-e',
      script,
    ];
    assert.equal(execFileSync('setpriv', args, { encoding: 'utf8' }).trim(), 'EPERM true');
  });

  it('does not own a neighbour that the kernel learned; set makes it ours', () =>
    withKernel(async ({ kernel }) => {
      ip(`neighbour replace 10.5.2.0 lladdr 02:00:00:00:00:55 dev ${DEVICE} nud reachable`);
      assert.equal((await kernel.readState(OWNERSHIP)).objects.get(objectKey(NEIGHBOUR)), undefined);
      assert.equal((await kernel.apply([set(NEIGHBOUR)]))[0]?.status, 'done');
      assert.equal(ip(`neighbour show dev ${DEVICE}`).trim(), '10.5.2.0 lladdr 02:00:00:00:00:02 PERMANENT');
    }));

  it('reads an address with other flags or a peer as drift', () =>
    withKernel(async ({ kernel }) => {
      ip(`address add 10.5.80.1 peer 10.5.80.2/32 dev ${DEVICE}`);
      ip(`address add fd00:5:80::1/128 dev ${DEVICE6} valid_lft 900 preferred_lft 900 nodad`);
      const { objects } = await kernel.readState(OWNERSHIP);
      const mismatch = (dev: string, address: string): string | undefined =>
        objects.get(objectKey({ kind: 'address', dev, address: address as Cidr }))?.mismatch;
      assert.equal(mismatch(DEVICE, '10.5.80.1/32'), 'peer 10.5.80.2');
      assert.equal(mismatch(DEVICE6, 'fd00:5:80::1/128'), 'not permanent');
    }));

  it('reports default FDB entries of others on our device, to be removed', () =>
    withKernel(async ({ kernel }) => {
      bridge(`fdb append 00:00:00:00:00:00 dev ${DEVICE} dst 192.0.2.70 self permanent`);
      const entry: KernelObject = {
        kind: 'fdb',
        dev: DEVICE,
        mac: '00:00:00:00:00:00' as MacAddress,
        destination: '192.0.2.70' as IpAddress,
      };
      assert.ok((await kernel.readState(OWNERSHIP)).objects.has(objectKey(entry)));
      assert.equal((await kernel.apply([{ action: 'remove', object: entry }]))[0]?.status, 'done');
      assert.equal(bridge(`fdb show dev ${DEVICE}`).trim(), '');
    }));
});
