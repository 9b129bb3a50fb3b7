// Echoes through a real network: times, sizes, errors and their senders, over IPv4 and IPv6.
//
//   this namespace ─ near0 ── near1 ─ probe-router ─ far0 ── far1 ─ probe-far        the far link has an MTU of 1400
//   192.0.2.1                .254                    .254       198.51.100.2
//   2001:db8:1::1            ::fe                    ::fe       2001:db8:2::2
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'mocha';
import type { IpAddress } from '../lib/address.ts';
import { systemClock } from '../lib/clock.ts';
import { probeChecksums } from '../daemon/probe/checksum-probe.ts';
import { formatEchoError } from '../daemon/probe/echo-error.ts';
import { Prober, ProbeError } from '../daemon/probe/prober.ts';
import { loadNative } from '../native/index.ts';
import { waitFor } from '../lab/wait.ts';

const ROUTER = 'probe-router';
const FAR = 'probe-far';
const FAR_MTU = 1400;

const sh = (script: string): string => execFileSync('sh', ['-ec', script], { encoding: 'utf8' });
const at = (netns: string, command: string): string => sh(`ip netns exec ${netns} ${command}`);

const SET_UP = `
for netns in ${ROUTER} ${FAR}; do ip netns add $netns; ip -n $netns link set lo up; done
ip link add near0 type veth peer name near1 netns ${ROUTER}
ip -n ${ROUTER} link add far0 mtu ${FAR_MTU} type veth peer name far1 mtu ${FAR_MTU} netns ${FAR}
ip address add 192.0.2.1/24 dev near0; ip address add 2001:db8:1::1/64 dev near0 nodad
ip -n ${ROUTER} address add 192.0.2.254/24 dev near1; ip -n ${ROUTER} address add 2001:db8:1::fe/64 dev near1 nodad
ip -n ${ROUTER} address add 198.51.100.254/24 dev far0; ip -n ${ROUTER} address add 2001:db8:2::fe/64 dev far0 nodad
ip -n ${FAR} address add 198.51.100.2/24 dev far1; ip -n ${FAR} address add 2001:db8:2::2/64 dev far1 nodad
ip link set near0 up; ip -n ${ROUTER} link set near1 up; ip -n ${ROUTER} link set far0 up; ip -n ${FAR} link set far1 up
ip netns exec ${ROUTER} sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
ip route add 198.51.100.0/24 via 192.0.2.254; ip route add 2001:db8:2::/64 via 2001:db8:1::fe
ip -n ${FAR} route add default via 198.51.100.254; ip -n ${FAR} route add default via 2001:db8:2::fe
`;
const TEAR_DOWN = `ip netns delete ${ROUTER}; ip netns delete ${FAR}; ip link delete near0 2>/dev/null || true`;

const FAMILIES = [
  { family: 4, near: '192.0.2.254', far: '198.51.100.2', unused: '198.51.100.77', elsewhere: '203.0.113.1' },
  {
    family: 6,
    near: '2001:db8:1::fe',
    far: '2001:db8:2::2',
    unused: '2001:db8:2::77',
    elsewhere: '2001:db8:9::1',
  },
] as const;

describe('prober', () => {
  let prober: Prober;

  before(() => {
    if (loadNative().native === undefined) throw new Error('This suite needs the addon: run make');
    if (process.env['WEFT_TEST_NETNS'] !== '1') throw new Error('Run it by test/in-namespaces.sh');
    sh(SET_UP);
    prober = new Prober({ addon: loadNative() });
  });
  after(() => {
    prober.close();
    sh(TEAR_DOWN);
  });

  for (const { family, near, far, unused, elsewhere } of FAMILIES)
    describe(`over IPv${family}`, () => {
      const probe = (address: string, row = {}) =>
        prober.probe(address as IpAddress, { count: 3, intervalMs: 5, timeoutMs: 30_000, ...row });

      // The kernel has to resolve its neighbours first.
      before(() =>
        waitFor('the far host answers', async () => (await probe(far, { timeoutMs: 500 })).received === 3),
      );

      // First: where icmp_ratelimit is 0, an ICMP error of another kind empties the kernel's allowance
      // for "no route", and those about `unused` come some seconds after its probe.
      it('names the router without a route', async () => {
        sh(`ip route add ${elsewhere} via ${near}`);
        const report = await probe(elsewhere);
        sh(`ip route delete ${elsewhere}`);
        assert.deepEqual([report.sent, report.received, report.errors[0]?.count], [3, 0, 3]);
        assert.match(formatEchoError(report.errors[0]!.error), new RegExp(`^${near} says: no route`));
      });

      it('separates answers to checksums of this host and of devices from no answer', async () => {
        const { native } = loadNative();
        const options = { native: native!, clock: systemClock, timeoutMs: 30_000 };
        assert.equal(await probeChecksums(far as IpAddress, options), 'good');
        assert.equal(await probeChecksums(unused as IpAddress, { ...options, timeoutMs: 50 }), 'no-answer');
        assert.equal(await probeChecksums('127.0.0.1' as IpAddress, options), 'good');
      });

      it('gets a reply to each echo', async () => {
        const replied: number[] = [];
        const report = await probe(far, { onEcho: (sequence: number) => replied.push(sequence) });
        assert.deepEqual([report.sent, report.received, report.errors], [3, 3, []]);
        assert.deepEqual(
          replied.toSorted((a, b) => a - b),
          [1, 2, 3],
        );
        const { minMs, p50Ms, maxMs } = report.rtt!;
        assert.ok(minMs > 0 && minMs <= p50Ms && p50Ms <= maxMs);
      });

      it('measures the network, not how late this process polls', async () => {
        const under = prober.probe(near as IpAddress, { count: 1, timeoutMs: 30_000 });
        const endMs = performance.now() + 300;
        // This process is busy and does not poll.
        while (performance.now() < endMs);
        assert.ok((await under).rtt!.maxMs < 300);
      });

      it('counts lost echoes', async () => {
        at(FAR, `nft 'add table inet t; add chain inet t c { type filter hook input priority 0; }'`);
        const types = family === 4 ? 'icmp type echo-request' : 'icmpv6 type echo-request';
        at(FAR, `nft 'add rule inet t c ${types} numgen inc mod 2 == 0 drop'`);
        const report = await probe(far, { count: 10, timeoutMs: 2000 });
        at(FAR, 'nft delete table inet t');
        assert.deepEqual([report.sent, report.received], [10, 5]);
      });

      it('gets an error of the first router with a TTL of 1', async () => {
        const close = new Prober({ addon: loadNative(), ttl: 1 });
        const report = await close.probe(far as IpAddress, { count: 1, timeoutMs: 30_000 });
        close.close();
        assert.deepEqual(
          report.errors.map(({ error }) => error),
          [{ kind: 'time-exceeded', by: near }],
        );
      });

      it('reports an address that no host has', async () => {
        const { errors } = await probe(unused);
        assert.match(formatEchoError(errors[0]!.error), /says: the host does not answer/);
      });

      it('reports that this host has no route', async () => {
        const { errors } = await probe(elsewhere);
        assert.match(formatEchoError(errors[0]!.error), /^not sent: .*ENETUNREACH/);
      });

      it('reports the MTU of the device, and of a router on the path', async () => {
        const [atDevice, atRouter] = [
          await probe(far, { packetBytes: 1501 }),
          await probe(far, { packetBytes: 1500 }),
        ];
        assert.deepEqual(atDevice.errors, [{ error: { kind: 'too-big', mtu: 1500 }, count: 3 }]);
        assert.deepEqual(atRouter.errors, [{ error: { kind: 'too-big', by: near, mtu: FAR_MTU }, count: 3 }]);
      });

      it('finds the largest packet by the errors of routers', async () => {
        assert.deepEqual(await prober.findLargest(far as IpAddress), { packetBytes: FAR_MTU, sent: 3 });
      });

      it('finds the largest packet without errors of routers', async () => {
        at(ROUTER, `nft 'add table inet t; add chain inet t c { type filter hook output priority 0; }'`);
        at(ROUTER, `nft 'add rule inet t c meta l4proto { icmp, icmpv6 } meta length > 500 drop'`);
        const { packetBytes } = await prober.findLargest(far as IpAddress, { maxBytes: 1500 });
        at(ROUTER, 'nft delete table inet t');
        assert.equal(packetBytes, FAR_MTU);
      });
    });

  it('probes a thousand addresses at once', async () => {
    const addresses = Array.from({ length: 1000 }, (_, index) => `127.0.${index >> 8}.${index & 255 || 1}`);
    const reports = await Promise.all(
      addresses.map((address) => prober.probe(address as IpAddress, { count: 1, timeoutMs: 30_000 })),
    );
    assert.equal(reports.filter(({ received }) => received === 1).length, 1000);
  });

  it('names a missing interface or address', async () => {
    const other = (options: object) =>
      new Prober({ addon: loadNative(), ...options }).probe('192.0.2.254' as IpAddress, { count: 1 });
    await assert.rejects(
      other({ device: 'gone0' }),
      new ProbeError('Cannot send ICMP echoes over IPv4: there is no interface gone0'),
    );
    await assert.rejects(
      other({ sources: { 4: '203.0.113.9' } }),
      new ProbeError(
        'Cannot send ICMP echoes over IPv4 from 203.0.113.9: no interface of this host has that address',
      ),
    );
  });
});
