// Inspecting commands on a healthy cluster, then with faults: a daemon that is stopped, killed or
// contested, a removed route, an unavailable etcd, an unreachable peer.
import assert from 'node:assert/strict';
import type {
  DiffV1,
  EventV1,
  LeasesV1,
  PeersV1,
  PingLineV1,
  PingPeerV1,
  RouteV1,
  StatusV1,
} from '../api/index.ts';
import type { Output } from '../lab/sandbox.ts';
import { waitFor } from '../lab/wait.ts';
import { logOf, putLease } from './support/daemon-view.ts';
import { shellTest, subnetKey, useLab, viewOf, waitUntilReady } from './support/lab-suite.ts';

describe('the commands on a lab', () => {
  const lab = useLab({ hosts: 3 });
  let subnets: readonly string[] = [];

  before(async () => {
    for (const { name } of lab().topology.hosts) await waitUntilReady(lab(), name);
    subnets = await Promise.all(['h1', 'h2', 'h3'].map(async (name) => (await viewOf(lab(), name)).subnet));
  });

  const weft = (host: string, args: string): Promise<Output> => lab().weft(host, args.split(' '));

  async function json<Answer>(host: string, args: string, code = 0): Promise<Answer> {
    const output = await weft(host, `${args} --json`);
    assert.equal(output.code, code, output.stderr);
    return JSON.parse(output.stdout) as Answer;
  }

  const containerOf = (host: string): Promise<string> => lab().containerAddress(host);

  it('report a healthy host', async () => {
    await waitFor('all peers to be probed', async () =>
      (await json<PeersV1>('h1', 'peers')).peers.every(({ liveness }) => liveness?.state === 'reachable'),
    );
    const { code, stdout } = await weft('h1', 'status');
    assert.equal(code, 0);
    assert.match(stdout, /^weft \d\S* {2}ok {2}up /);
    assert.ok(stdout.includes(`subnet    ${subnets[0]}  held, ends in 23 h`), stdout);
    assert.match(stdout, /peers +2 programmed; 2 reachable\n$/);
    assert.deepEqual(await weft('h1', 'status --brief'), { code: 0, stdout: 'ok\n', stderr: '' });
    const status = await json<StatusV1>('h1', 'status');
    assert.deepEqual([status.version, status.health, status.lease?.ipv4], [1, 'ok', subnets[0]]);
  });

  it('show peers with the MAC that their devices have', async () => {
    const { peers } = await json<PeersV1>('h1', 'peers');
    const seen = peers.map(({ ipv4, publicIp, mac, mode, state }) => ({ ipv4, publicIp, mac, mode, state }));
    const views = await Promise.all(['h2', 'h3'].map((name) => viewOf(lab(), name)));
    for (const { subnet: ipv4, publicIp, mac } of views)
      assert.deepEqual(
        seen.find((peer) => peer.ipv4 === ipv4),
        { ipv4, publicIp, mac, mode: 'kernel', state: 'in-sync' },
      );
    assert.match(
      (await weft('h1', 'peers')).stdout,
      /^SUBNET .*\n(?:10\.5\.\S+ +198\.18\.1\.\d .*programmed.*\n){2}$/,
    );
  });

  it('show the route of a packet, which a ping confirms', async () => {
    const to = await containerOf('h2');
    const { code, stdout } = await weft('h1', `route get ${to}`);
    assert.equal(code, 0, stdout);
    assert.match(
      stdout,
      /^\S+ {2}through the kernel's VXLAN, packets of up to 1450 bytes \(50 more on the underlay\)/,
    );
    for (const table of ['lease', 'route', 'neighbour', 'fdb', 'underlay'])
      assert.match(stdout, new RegExp(`^ {2}${table} `, 'm'));
    assert.ok(
      await shellTest(lab(), 'c1', `ping -q -c 1 -W 2 -M do -s 1422 ${to}`),
      'a packet of 1450 bytes',
    );
    assert.ok(!(await shellTest(lab(), 'c1', `ping -q -c 1 -W 1 -M do -s 1423 ${to}`)), 'and none of 1451');
    const own = await json<RouteV1>('h1', `route get ${await containerOf('h1')}`);
    assert.deepEqual([own.kind, own.datapath, own.isWhole], ['own', 'local', true]);
  });

  it('take and show the names of hosts', async () => {
    const isNamed = async (): Promise<boolean> => / h2 /.test((await weft('h1', 'peers')).stdout);
    await waitFor('the names to be read', isNamed, 60_000);
    const { publicIp } = lab().host('h2');
    for (const args of ['peers h2', 'ping h2 -c 1 -W 30', 'route get h2', 'leases show h2']) {
      const { code, stdout, stderr } = await weft('h1', args);
      assert.equal(code, 0, stdout + stderr);
      assert.ok(stdout.includes('h2') && stdout.includes(publicIp), stdout);
    }
    assert.match((await weft('h1', 'status')).stdout, /^ {2}host +h1$/m);
    assert.match((await weft('h1', 'leases')).stdout, new RegExp(`${publicIp} +h2 `));
    const unknown = await weft('h1', 'peers h22');
    assert.deepEqual(
      [unknown.code, unknown.stderr],
      [2, 'weft: No peer is called "h22"; did you mean h2?\n'],
    );
  });

  it('ping peers through overlay and underlay, and report which of the two fails', async () => {
    const { publicIp } = lab().host('h2');
    const ping = async (args: string, code: number): Promise<PingPeerV1[]> => {
      const { stdout, stderr, ...output } = await weft('h1', `ping ${args} -c 2 -i 0.05 --json`);
      assert.equal(output.code, code, stderr + stdout);
      const lines = stdout.trimEnd().split('\n');
      return lines.map((line) => JSON.parse(line) as PingLineV1).filter((line) => line.kind === 'peer');
    };
    const [peer] = await ping(`${publicIp} -W 30`, 0);
    assert.deepEqual([peer?.overlay?.received, peer?.overlay?.largestPacketBytes], [2, 1450]);
    assert.deepEqual([peer?.underlay?.received, peer?.underlay?.largestPacketBytes], [2, 1500]);
    const { peers } = await json<PeersV1>('h1', 'peers');
    const { sent, lost } = peers.find((each) => each.publicIp === publicIp)!.probe!;
    assert.deepEqual([sent, lost], [2, 0]);
    const container = await containerOf('h2');
    assert.equal((await ping(`${container} -W 30`, 0))[0]?.overlay?.address, container);
    assert.equal((await ping('--all -W 30', 0)).length, 2);

    await lab().check('h2', [
      'nft',
      'table inet shut { chain c { type filter hook input priority 0; udp dport 8472 drop; }; }',
    ]);
    const [shut] = await ping(`${publicIp} -W 1`, 1);
    await lab().check('h2', ['nft', 'delete table inet shut']);
    assert.deepEqual([shut?.overlay?.received, shut?.underlay?.received], [0, 2]);
    const unknown = await weft('h1', 'ping 192.0.2.1');
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /No peer has .*"192\.0\.2\.1".*: weft peers lists them/);
  });

  it('sum up a ping that Ctrl-C ends', async () => {
    const script = `out=$(mktemp)
weft ping h2 -c 1000 -i 0.05 >$out &
pid=$!
until grep -q '^overlay .* 3  ' $out; do sleep 0.1; done
kill -INT $pid; wait $pid; echo code $?; cat $out; rm $out`;
    // Children of a shell without job control ignore SIGINT.
    const shell = ['bash', '--norc', '-m', '-c', script];
    const { stdout } = await lab().exec('h1', [...lab().environment('h1'), ...shell]);
    assert.match(stdout, /^code 0$/m);
    assert.match(stdout, /^overlay +10\.5\.\S+ +\d+ sent; all answered; min .* ms$/m);
    assert.match(stdout, /^underlay +198\.18\.1\.2 +\d+ sent; all answered; min .* ms$/m);
  });

  it('print pings as JSON of a stable shape', async () => {
    const { publicIp } = lab().host('h2');
    const { subnet } = await viewOf(lab(), 'h2');
    const overlay = subnet.replace('/24', '');
    const { stdout } = await weft('h1', `ping ${publicIp} -c 1 -W 30 --json`);
    const timeless = stdout.replaceAll(/("\w+Ms"):[\d.]+/g, '$1:0');
    const rtt = '"rtt":{"minMs":0,"avgMs":0,"p50Ms":0,"maxMs":0}';
    const key = overlay + '-24';
    // Both layers are pinged at the same time.
    const [first, second, last, ...rest] = timeless.split('\n');
    assert.deepEqual([first!, second!].toSorted(), [
      `{"kind":"echo","key":"${key}","layer":"overlay","address":"${overlay}","sequence":1,"rttMs":0}`,
      `{"kind":"echo","key":"${key}","layer":"underlay","address":"${publicIp}","sequence":1,"rttMs":0}`,
    ]);
    assert.equal(
      last,
      `{"kind":"peer","key":"${key}","name":"h2","ipv4":"${subnet}","publicIp":"${publicIp}","payloadBytes":56,` +
        `"overlay":{"address":"${overlay}","sent":1,"received":1,${rtt},"largestPacketBytes":1450,"errors":[]},` +
        `"underlay":{"address":"${publicIp}","sent":1,"received":1,${rtt},"largestPacketBytes":1500,"errors":[]}}`,
    );
    assert.deepEqual(rest, ['']);
  });

  it('explain why an address without an owner is unreachable', async () => {
    const unleased = await json<RouteV1>('h1', 'route get 10.5.250.7', 4);
    assert.deepEqual(
      [unleased.kind, unleased.datapath, unleased.dev],
      ['unleased', 'unencapsulated', 'eth0'],
    );
    const outside = await weft('h1', 'route get 192.0.2.1');
    assert.equal(outside.code, 4);
    assert.match(outside.stdout, /lies outside of the overlay network/);
    const wrong = await weft('h1', 'route get host2');
    assert.deepEqual([wrong.code, wrong.stdout], [2, '']);
    assert.match(
      wrong.stderr,
      /^weft: "host2" is not an IP address, for example 10\.5\.72\.2, nor the name of a peer: weft peers lists them\n$/,
    );
  });

  it('say that a packet to a peer leaves by the underlay where another route has taken it', async () => {
    const to = await containerOf('h2');
    await lab().stopDaemon('h1', 'STOP');
    await lab().check('h1', [
      'ip',
      'route',
      'add',
      `${to}/32`,
      'via',
      lab().host('h3').publicIp,
      'dev',
      'eth0',
    ]);
    await lab().stopDaemon('h1', 'CONT');
    const taken = await weft('h1', `route get ${to}`);
    await lab().check('h1', ['ip', 'route', 'del', `${to}/32`]);
    assert.equal(taken.code, 4);
    assert.match(taken.stdout, /^\S+ {2}leaves by eth0, without encapsulation[^]*! not the desired route/);
  });

  it('find etcd by the daemon beside them', async () => {
    const { code, stdout, stderr } = await weft('h1', 'config get');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /"Network":\s*"10\.5\.0\.0\/16"/);
  });

  it('log a deleted device beside a deleted route', async () => {
    const from = (await logOf(lab(), 'h3')).length;
    const isLogged = async (pattern: RegExp): Promise<boolean> =>
      pattern.test((await logOf(lab(), 'h3')).slice(from));
    await lab().check('h3', ['ip', 'route', 'del', subnets[0]!]);
    await waitFor('the route to be logged', () => isLogged(/Detected changes.*route 10\.5/), 60_000);
    await lab().check('h3', ['ip', 'link', 'del', 'flannel.1']);
    await waitFor('the device to be logged', () => isLogged(/Detected changes.*link flannel\.1/), 60_000);
    await waitFor('the repair', async () => (await weft('h3', 'diff')).code === 0, 60_000);
  });

  it('find no difference in a healthy kernel', async () => {
    const { differences, desired } = await json<DiffV1>('h1', 'diff');
    assert.deepEqual(differences, []);
    assert.ok(desired >= 9);
  });

  it('print devices as ifconfig does', async () => {
    const { mac } = await viewOf(lab(), 'h1');
    const { stdout } = await weft('h1', 'ifconfig -a');
    assert.match(stdout, /^flannel\.1: flags=4163<UP,BROADCAST,RUNNING,MULTICAST> {2}mtu 1450\n/);
    assert.ok(
      stdout.includes(
        `        ether ${mac}  (Ethernet)\n        vxlan id 1  port 8472  local 198.18.1.1  dev eth0  tx-checksum on\n`,
      ),
    );
    const rx = /eth0: [^]*RX packets (\d+)/.exec(stdout)?.[1];
    assert.ok(Number(rx) > 0);
    assert.match(
      (await weft('h1', 'top -n 1 -d 0.1')).stdout,
      /^weft up .*\n\nDEVICE [^]*flannel\.1 [^]*kernel {2}runs/,
    );
  });

  it('stream the drift and repair of a removed route', async () => {
    // Removed repeatedly, as the start of the stream is not observable.
    const remove = `while sleep 0.3; do ip route del ${subnets[1]} 2>/dev/null; done & weft watch --topic kernel --json`;
    const script = ['sh', '-c', `${remove} | head -n 2; kill $!`];
    const events = (await lab().check('h1', [...lab().environment('h1'), ...script]))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as EventV1);
    const codes = new Set(events.map(({ code }) => code));
    assert.ok(codes.has('KERNEL_DRIFT') && codes.has('KERNEL_REPAIRED'), [...codes].join());
    assert.ok(events.every(({ fields }) => JSON.stringify(fields).includes(`route ${subnets[1]}`)));
    await waitFor(
      'the route to be back',
      () => shellTest(lab(), 'h1', `ip route show ${subnets[1]} | grep -q .`),
      60_000,
    );
  });

  it('time out on a suspended daemon, which later reports what it missed', async () => {
    const { sequence } = await lastEvent();
    await lab().stopDaemon('h1', 'STOP');
    await lab().check('h1', ['ip', 'route', 'del', subnets[2]!]);
    const [brief, peers] = await Promise.all([weft('h1', 'status --brief'), weft('h1', 'peers')]);
    assert.deepEqual([brief.code, brief.stdout], [3, 'down\n']);
    assert.deepEqual([peers.code, peers.stdout], [3, '']);
    assert.match(
      peers.stderr,
      /^weft: The daemon on \S+ does not answer within 3 s: it is stopped or overloaded/,
    );
    await lab().stopDaemon('h1', 'CONT');
    const isRepaired = async (): Promise<boolean> => {
      const events = await eventsOf('h1');
      const newer = events.filter((event) => event.sequence > sequence && event.topic === 'kernel');
      return newer.some(
        ({ code, fields }) => code === 'KERNEL_REPAIRED' && JSON.stringify(fields).includes(subnets[2]!),
      );
    };
    await waitFor('the event of the repair', isRepaired, 60_000);
    assert.equal((await weft('h1', 'diff')).code, 0);
  });

  async function eventsOf(host: string): Promise<EventV1[]> {
    const { stdout } = await weft(host, 'watch --once --json -n 256');
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as EventV1);
  }

  async function lastEvent(): Promise<EventV1> {
    return (await eventsOf('h1')).at(-1)!;
  }

  it('show an unreachable peer with the reason', async () => {
    await putLease(lab(), '10.5.240.0-24', { PublicIP: '198.18.9.9', BackendType: 'host-gw' });
    await waitFor('the host to be degraded', async () => (await weft('h1', 'status')).code === 4, 60_000);
    const peers = await weft('h1', 'peers --problems');
    assert.equal(peers.code, 4);
    assert.match(
      peers.stdout,
      /10\.5\.240\.0\/24 +198\.18\.9\.9 .*error[^\n]*\n {2}! its backend is "host-gw"/,
    );
    assert.match(
      (await weft('h1', 'status')).stdout,
      /degraded[^]*peers +2 programmed, 1 in error[^]*! 1 of 3 peers/,
    );
    const released = await weft('h2', 'leases release 10.5.240.0/24 --yes');
    assert.match(released.stdout, /^10\.5\.240\.0-24 is released/);
    await waitFor('the host to be healthy', async () => (await weft('h1', 'status')).code === 0, 60_000);
  });

  it('reserve and release a subnet, through a daemon or directly at etcd', async () => {
    const [, subnet] = subnets;
    const key = subnetKey(subnet!);
    const isReserved = async (host: string): Promise<boolean | undefined> => {
      const { leases } = await json<LeasesV1>(host, 'leases');
      return leases.find((lease) => lease.key === key)?.isReservation;
    };
    assert.match((await weft('h1', `leases reserve ${subnet}`)).stdout, new RegExp(`^${key} is reserved`));
    await waitFor('every host to see it', async () => (await isReserved('h2')) === true, 60_000);
    assert.match(
      (await weft('h2', 'status')).stdout,
      new RegExp(`subnet +${subnet} +held, reserved, without expiry`),
    );
    const unconfirmed = await weft('h1', `leases release ${subnet}`);
    assert.equal(unconfirmed.code, 2);
    assert.match(
      unconfirmed.stderr,
      /Release \S+, reserved for the host of 198\.18\.1\.2\? No terminal to ask on: give --yes/,
    );
    const atEtcd = '--etcd-endpoints http://198.18.0.2:2379';
    const shown = await weft('h1', `leases show ${subnet} ${atEtcd}`);
    assert.match(shown.stdout, /^key +\S+\n[^]*kind +reservation: it never expires/);
    assert.equal((await weft('h1', `leases release ${subnet} --yes ${atEtcd}`)).code, 0);
    await waitFor('its host to lease it again', async () => (await isReserved('h2')) === false, 60_000);
    assert.equal((await weft('h1', 'leases show 10.5.251.0/24')).code, 1);
    const second = await weft('h1', 'leases reserve 10.5.251.0/24 --public-ip 198.18.1.2');
    assert.equal(second.code, 1);
    assert.match(second.stderr, /198\.18\.1\.2 holds 10\.5\.\S+ already/);
  });

  it('work without etcd and report it', async () => {
    await lab().stopEtcd('KILL');
    await waitFor('it to be noticed', async () => (await weft('h1', 'status')).code === 4, 60_000);
    const { stdout } = await weft('h1', 'status');
    assert.match(stdout, /^weft \S+ {2}degraded[^]*registry +unreachable[^]*! the registry is not reachable/);
    assert.equal((await weft('h1', 'peers')).code, 0);
    assert.equal((await weft('h1', `route get ${await containerOf('h3')}`)).code, 0);
    await lab().startEtcd();
    await waitFor('it to be healthy again', async () => (await weft('h1', 'status')).code === 0, 60_000);
    assert.match(
      (await weft('h1', 'watch --once -n 50 --topic registry')).stdout,
      /Registry lost[^]*Registry is back/,
    );
  });

  it('change the log level', async () => {
    assert.equal((await weft('h3', 'log-level')).stdout, 'info\n');
    assert.equal((await weft('h3', 'log-level debug')).stdout, 'debug\n');
    assert.match(
      await logOf(lab(), 'h3'),
      /Set the log level to debug by request on the control socket before=info/,
    );
    assert.equal((await weft('h3', 'log-level loud')).code, 2);
    assert.equal((await weft('h3', 'log-level')).stdout, 'debug\n');
  });

  it('write the archive of a bug report for its user alone', async () => {
    const { code, stdout } = await weft('h1', 'sysdump -o /run/dump.tar.gz');
    assert.equal(code, 0);
    const listed = await lab().check('h1', ['tar', '-tvzf', '/run/dump.tar.gz']);
    for (const part of [
      'daemon/status.json',
      'daemon/events.json',
      'daemon/options.json',
      'daemon/metrics.txt',
      'kernel/fdb.txt',
      'registry/config.json',
      'registry/config-history.json',
    ]) {
      assert.ok(listed.includes(`/${part}\n`), part);
      assert.match(stdout, new RegExp(`^ {2}${part} +\\d`, 'm'));
    }
    assert.equal((await lab().check('h1', ['stat', '-c', '%a', '/run/dump.tar.gz'])).trim(), '600');
    const partOf = (path: string): Promise<string> =>
      lab().check('h1', ['tar', '-xzOf', '/run/dump.tar.gz', '--wildcards', `*/${path}`]);
    assert.ok((await partOf('kernel/route.txt')).includes(subnets[1]!));
    assert.match(await partOf('daemon/metrics.txt'), /^weft_build_info\{/m);
    assert.match(await partOf('registry/config.json'), /"Network":\s*"10\.5\.0\.0\/16"/);
    assert.match(await partOf('registry/config-history.json'), /"modRevision"/);
  });

  it('drain a host, release its lease, and put it into service again', async () => {
    const hasFile = (): Promise<boolean> => shellTest(lab(), 'h3', `test -e ${lab().subnetFile('h3')}`);
    const address = await containerOf('h3');
    const drained = await weft('h3', 'drain');
    assert.equal(drained.code, 0, drained.stderr);
    await waitFor('subnet.env to be gone', async () => !(await hasFile()), 60_000);
    assert.ok(await shellTest(lab(), 'c1', `ping -q -c 3 -i 0.2 -W 2 ${address}`), 'the container stays');
    await lab().stopDaemon('h3');
    await lab().startDaemon('h3');
    await waitFor('the daemon to be back', async () => (await weft('h3', 'status')).code === 4, 60_000);
    assert.match((await weft('h3', 'status')).stdout, /! this host is drained: it takes no new containers/);
    assert.equal(await hasFile(), false);
    const unconfirmed = await weft('h3', 'drain --release');
    assert.deepEqual([unconfirmed.code, unconfirmed.stdout], [2, '']);
    assert.match(unconfirmed.stderr, /Release 10\.5\.\S+\? .*No terminal to ask on: give --yes/);
    assert.equal((await weft('h3', 'drain --release --yes')).code, 0);
    const isGone = async (): Promise<boolean> => !(await weft('h1', 'leases')).stdout.includes(subnets[2]!);
    await waitFor('the lease to be gone', isGone, 60_000);
    await waitFor('the daemon to end', async () => (await weft('h3', 'status')).code === 3, 60_000);
    await lab().startDaemon('h3');
    await waitFor(
      'it to wait',
      async () => (await weft('h3', 'status')).stdout.includes('! released'),
      60_000,
    );
    assert.equal((await weft('h3', 'drain --undo')).code, 0);
    await waitUntilReady(lab(), 'h3');
    assert.equal(await hasFile(), true);
  });

  it('reject a second daemon beside one that answers', async () => {
    const second = await lab().exec('h1', lab().daemonCommand('h1', []), { timeoutMs: 10_000 });
    assert.equal(second.code, 1);
    assert.match(
      second.stderr,
      /Another weft daemon answers on \S+weft\.sock: stop it, or give this one another/,
    );
    assert.equal((await weft('h1', 'status')).code, 0);
  });

  it('report a missing daemon, and find the next one', async () => {
    await lab().stopDaemon('h3', 'KILL');
    const dead = await weft('h3', 'status');
    assert.deepEqual([dead.code, dead.stdout], [3, '']);
    assert.match(dead.stderr, /^weft: No weft daemon on this host: the one that made \S+ is gone; start it/);
    await lab().startDaemon('h3');
    await waitFor('the next one to be healthy', async () => (await weft('h3', 'status')).code === 0, 60_000);
    await lab().stopDaemon('h3');
    assert.match(
      (await weft('h3', 'peers')).stderr,
      /^weft: No weft daemon on this host: there is no \S+weft\.sock/,
    );
  });
});
