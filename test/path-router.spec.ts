// What the packet path owes as a router: ICMP errors about TTL, destinations and MTU, fragments, and whom it believes.
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { before, describe, it } from 'mocha';
import { waitFor } from '../lab/wait.ts';
import type { PathEnd } from './support/path/path-host.ts';
import {
  assertAnswered,
  assertIntact,
  ECHO_OVERHEAD_BYTES,
  ENCAPSULATIONS,
  FAMILIES,
  growth,
  ping,
  sizeOf,
  usePair,
} from './support/path/path-suite.ts';
import type { DatagramsToSend } from './support/path/send-datagrams.ts';
import { makeTunnelDatagram, type TunnelDatagram } from './support/path/tunnel-datagram.ts';

const PATIENCE_MS = 10_000;

for (const encapsulation of ENCAPSULATIONS)
  for (const underlay of FAMILIES)
    describe(`router: ${encapsulation} over IPv${underlay}`, () => {
      const pairOf = usePair({ encapsulation, underlay });

      for (const family of FAMILIES) {
        it(`IPv${family}: a TTL of 1 ${encapsulation === 'udp' ? 'expires with an ICMP error' : 'passes a link'}`, async () => {
          const { a, b } = pairOf();
          if (encapsulation === 'vxlan') return assertAnswered(a, b.overlay[family], '-t', '1');
          const grown = await growth(a, async () => {
            const output = await ping(a, b.overlay[family], '-t', '1');
            assert.match(output, new RegExp(`From ${a.overlay[family]}.* (?:Time to live|Time) exceeded`));
          });
          assert.deepEqual([grown['dropTxTtl'], grown['icmpSent']], [1, 1]);
        });

        it(`IPv${family}: a destination without a peer gets an ICMP error`, async () => {
          const { a } = pairOf();
          const [subnet, address, group] =
            family === 4
              ? ['10.5.9.0/24', '10.5.9.1', '224.0.0.99']
              : ['fd00:5:9::/64', 'fd00:5:9::1', 'ff02::99'];
          await a.ip([`route replace ${subnet} dev ${a.device}`]);
          const grown = await growth(a, async () => {
            // Like the kernel's reports of multicast groups, which it sends at any time.
            await ping(a, group, '-W', '0.01', '-I', a.device);
            const output = await ping(a, address);
            assert.match(output, new RegExp(`From ${a.overlay[family]}.* (?:Net Unreachable|No route)`));
          });
          assert.deepEqual([grown['dropTxNoRoute'], grown['icmpSent']], [1, 1]);
          assert.ok(grown['dropTxMulticast']! > 0, JSON.stringify(grown));
        });

        it(`IPv${family}: packets of others are dropped, and counted by what is wrong with them`, async () => {
          const { a, b, port } = pairOf();
          const right: TunnelDatagram = {
            encapsulation,
            family,
            source: a.overlay[family],
            destination: b.overlay[family],
            mac: b.mac,
          };
          const stranger = underlay === 4 ? '192.0.2.77' : '2001:db8::77';
          await a.ip([
            `address replace ${stranger}/${underlay === 4 ? 24 : 64} dev eth0 ${underlay === 6 ? 'nodad' : ''}`,
          ]);
          const foreign = family === 4 ? '10.5.9.1' : 'fd00:5:9::1';
          const own = a.underlay[underlay];
          const send = (local: string, payloads: readonly Buffer[]): Promise<unknown> =>
            sendDatagrams(a, { local, remote: b.underlay[underlay], port, payloads: payloads.map(toHex) });
          const cases: readonly (readonly [string, string, Buffer])[] = [
            ['rxPackets', own, makeTunnelDatagram(right)],
            ['dropRxSender', stranger, makeTunnelDatagram(right)],
            ['dropRxSource', own, makeTunnelDatagram({ ...right, source: foreign })],
            ['dropRxSource', own, makeTunnelDatagram({ ...right, source: b.overlay[family] })],
            ['dropRxMalformed', own, makeTunnelDatagram(right).subarray(0, -1)],
            // As long as a datagram can be: its underlay packets are fragments.
            ['rxPackets', own, makeTunnelDatagram({ ...right, payloadBytes: 65_000 })],
            ...(encapsulation === 'udp'
              ? []
              : ([
                  ['dropRxVni', own, makeTunnelDatagram({ ...right, vni: 2 })],
                  ['dropRxMac', own, makeTunnelDatagram({ ...right, mac: '02:00:00:00:00:77' })],
                  ['dropRxHeader', own, makeTunnelDatagram(right).subarray(0, 21)],
                ] as const)),
          ];
          for (const [counter, local, payload] of cases) {
            const earlier = await b.counters();
            await send(local, [payload]);
            await waitFor(
              `${counter} of ${payload.length} bytes from ${local}`,
              async () => (await b.counters())[counter] === (earlier[counter] ?? 0) + 1,
              PATIENCE_MS,
            );
          }
        });

        it(`IPv${family}: a datagram cut at any length is counted, and what comes after it passes`, async () => {
          const { a, b, port } = pairOf();
          const whole = makeTunnelDatagram({
            encapsulation,
            family,
            source: a.overlay[family],
            destination: b.overlay[family],
            mac: b.mac,
          });
          const payloads = Array.from({ length: whole.length }, (_, length) =>
            toHex(whole.subarray(0, length)),
          );
          const earlier = await b.counters();
          const local = a.underlay[underlay];
          await sendDatagrams(a, { local, remote: b.underlay[underlay], port, payloads });
          const drops = async (): Promise<number> => {
            const counters = await b.counters();
            const names = ['dropRxHeader', 'dropRxMalformed'];
            return names.reduce((sum, name) => sum + counters[name]! - earlier[name]!, 0);
          };
          await waitFor(
            'every one to be counted',
            async () => (await drops()) >= payloads.length,
            PATIENCE_MS,
          );
          assert.equal(await drops(), payloads.length);
          await assertAnswered(a, b.overlay[family]);
        });
      }
    });

function toHex(bytes: Buffer): string {
  return bytes.toString('hex');
}

function sendDatagrams(from: PathEnd, datagrams: DatagramsToSend): Promise<unknown> {
  const file = fileURLToPath(import.meta.resolve('./support/path/send-datagrams.js'));
  return from.run([process.execPath, file], { input: JSON.stringify(datagrams) });
}

/** Bytes by which the underlay becomes narrower than the device knows. */
const NARROWING_BYTES = 100;

for (const encapsulation of ENCAPSULATIONS)
  for (const underlay of FAMILIES)
    describe(`narrow underlay: ${encapsulation} over IPv${underlay}`, () => {
      const pairOf = usePair({ encapsulation, underlay, mtu: 1500 });
      before(async () => {
        const route = underlay === 4 ? '192.0.2.0/24 scope link src 192.0.2.1' : '2001:db8::/64 metric 256';
        const narrow = `${route} dev eth0 proto kernel mtu ${1500 - NARROWING_BYTES}`;
        const { a } = pairOf();
        await a.ip([`route replace ${narrow}`]);
        await a.status({ refresh: true });
      });

      for (const family of FAMILIES) {
        it(`IPv${family}: a packet with DF gets an ICMP error with the MTU that passes`, async () => {
          const { a, b, mtu } = pairOf();
          const narrow = Math.max(mtu - NARROWING_BYTES, family === 6 ? 1280 : 0);
          const output = await ping(a, b.overlay[family], ...sizeOf(mtu, family));
          assert.match(
            output,
            new RegExp(`From ${a.overlay[family]}.*(?:Frag needed|too big).*mtu ?= ?${narrow}`),
          );
          await assertAnswered(a, b.overlay[family], ...sizeOf(narrow, family));
        });

        it(`IPv${family}: TCP discovers the path MTU`, () => assertIntact(pairOf(), family, 1_000_000));
      }

      it('IPv4: a packet that may be fragmented is, and arrives', async () => {
        const { a, b, mtu } = pairOf();
        const size = ['-M', 'dont', '-s', String(mtu - ECHO_OVERHEAD_BYTES[4])];
        // An address without a cached path MTU: else the kernel fragments by itself.
        const address = '10.5.2.7';
        await b.ip([`address add ${address}/32 dev ${b.device}`]);
        const grown = await growth(a, () => assertAnswered(a, address, ...size));
        assert.equal(grown['fragmented'], 1);
      });
    });
