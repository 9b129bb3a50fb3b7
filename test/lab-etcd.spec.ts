// Whatever happens to etcd, forwarding never stops, and in the end the state is right.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { waitFor } from '../lab/wait.ts';
import { DEFAULT_CONFIG } from '../lab/lab.ts';
import { canPing, programmedPeers, subnetKey, useLab, viewOf, waitUntilReady } from './support/lab-suite.ts';
import { startPing } from '../lab/traffic.ts';

const SUBNETS = '/coreos.com/network/subnets';
/** Longer than it takes to notice that a silent server is gone: two keep-alive periods of the connection. */
const NOTICE_MS = 60_000;
const INTERVAL_MS = 10;
/** How long entries of a peer outlive its key. */
const KEPT_MS = 60;

const foreignValue = (mac: string) =>
  `{"PublicIP":"198.18.9.9","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"${mac}"}}`;

describe('etcd', () => {
  const lab = useLab({ hosts: 2 });

  beforeEach(async () => {
    for (const { name } of lab().topology.hosts) await waitUntilReady(lab(), name, 30_000);
  });

  /** Runs `fault` under pings between the containers; none may be lost, or at most the number that `fault` returns. */
  async function underPings(fault: () => Promise<number | void>): Promise<void> {
    const ping = await startPing(lab(), 'c1', await lab().containerAddress('h2'), INTERVAL_MS);
    let allowed = 0;
    try {
      allowed = (await fault()) ?? 0;
    } finally {
      const result = await ping.stop();
      assert.ok(result.lost <= allowed, `lost ${result.lost} of ${result.sent} pings, ${allowed} allowed`);
    }
  }

  /**
   * Pings that may be lost after h1 lost its key: none if it had it again within the time that peers keep its entries;
   * on a machine too busy for that, those of the time without.
   */
  async function lostWithoutKey(from: number): Promise<number> {
    await waitForLog(/Lost the lease[^]*Leased a subnet/, from);
    const log = (await readFile(`${lab().logFolder}/h1.log`, 'utf8')).slice(from);
    const timeOf = (event: string) => Date.parse(new RegExp(`^(\\S+) .*${event}`, 'm').exec(log)![1]!);
    const awayMs = timeOf('Leased a subnet') - timeOf('Lost the lease');
    return awayMs < (2 / 3) * KEPT_MS ? 0 : awayMs / INTERVAL_MS;
  }

  /** Resolves once the log of `h1` has `pattern` in what was written since `from`. */
  async function waitForLog(pattern: RegExp, from: number): Promise<void> {
    const log = async () => (await readFile(`${lab().logFolder}/h1.log`, 'utf8')).slice(from);
    await waitFor(`h1 to log ${pattern}`, async () => pattern.test(await log()), NOTICE_MS, 50);
  }

  const logSize = async () => (await readFile(`${lab().logFolder}/h1.log`, 'utf8')).length;

  /** A peer written now must appear on both hosts: the proof that they follow etcd again. */
  async function followsAgain(key: string): Promise<void> {
    await lab().etcdctl(['put', `${SUBNETS}/${key}`, foreignValue('02:00:00:00:00:aa')]);
    const subnet = key.replace('-', '/');
    for (const name of ['h1', 'h2'])
      await waitFor(
        `${name} to follow`,
        async () => (await programmedPeers(lab(), name)).includes(subnet),
        60_000,
        50,
      );
    await lab().etcdctl(['del', `${SUBNETS}/${key}`]);
    for (const name of ['h1', 'h2'])
      await waitFor(
        `${name} to forget`,
        async () => !(await programmedPeers(lab(), name)).includes(subnet),
        60_000,
        50,
      );
  }

  it('stopped and started again', () =>
    underPings(async () => {
      const from = await logSize();
      await lab().stopEtcd('TERM');
      await waitForLog(/registry.*(lost|unavailable|unreachable)/i, from);
      assert.ok(await lab().isReady('h1'), 'still ready: lease held, peers programmed');
      await lab().startEtcd();
      await followsAgain('10.5.201.0-24');
    }));

  it('frozen and thawed', () =>
    underPings(async () => {
      const from = await logSize();
      await lab().stopEtcd('STOP');
      await waitForLog(/registry.*(lost|unavailable|unreachable)/i, from);
      await lab().stopEtcd('CONT');
      await followsAgain('10.5.202.0-24');
    }));

  it('unreachable without a reset', () =>
    underPings(async () => {
      const from = await logSize();
      await lab().check('sw', ['ip', 'link', 'set', 'etcd', 'down']);
      await waitForLog(/registry.*(lost|unavailable|unreachable)/i, from);
      await lab().check('sw', ['ip', 'link', 'set', 'etcd', 'up']);
      await followsAgain('10.5.203.0-24');
    }));

  it('compacted while a host is cut off, one peer changed and another gone meanwhile', () =>
    underPings(async () => {
      for (const [key, mac] of [
        ['10.5.210.0-24', '02:00:00:00:00:01'],
        ['10.5.211.0-24', '02:00:00:00:00:02'],
      ])
        await lab().etcdctl(['put', `${SUBNETS}/${key}`, foreignValue(mac!)]);
      const has = async (subnet: string) => (await programmedPeers(lab(), 'h1')).includes(subnet);
      await waitFor(
        'both peers',
        async () => (await has('10.5.210.0/24')) && (await has('10.5.211.0/24')),
        60_000,
      );
      const from = await logSize();
      await lab().check('h1', ['ip', 'route', 'add', 'blackhole', '198.18.0.2']);
      await waitForLog(/registry.*(lost|unavailable|unreachable)/i, from);
      await lab().etcdctl(['put', `${SUBNETS}/10.5.210.0-24`, foreignValue('02:00:00:00:00:03')]);
      await lab().etcdctl(['del', `${SUBNETS}/10.5.211.0-24`]);
      await compact();
      await lab().check('h1', ['ip', 'route', 'del', 'blackhole', '198.18.0.2']);
      const fdb = async () => lab().check('h1', ['bridge', 'fdb', 'show', 'dev', 'flannel.1']);
      await waitFor('the new MAC', async () => (await fdb()).includes('02:00:00:00:00:03'), 60_000, 50);
      await waitFor('the old peer to go', async () => !(await has('10.5.211.0/24')), 60_000);
      assert.ok(!(await fdb()).includes('02:00:00:00:00:01'));
      await lab().etcdctl(['del', `${SUBNETS}/10.5.210.0-24`]);
    }));

  async function compact(): Promise<void> {
    const status = JSON.parse(await lab().etcdctl(['endpoint', 'status', '-w', 'json'])) as {
      Status: { header: { revision: number } };
    }[];
    await lab().etcdctl(['compact', '--physical', String(status[0]!.Status.header.revision)]);
  }

  it('restored from an older snapshot', () =>
    underPings(async () => {
      await lab().etcdctl(['put', `${SUBNETS}/10.5.220.0-24`, foreignValue('02:00:00:00:00:04')]);
      await lab().etcdctl(['snapshot', 'save', '/run/snapshot.db']);
      await lab().etcdctl(['del', `${SUBNETS}/10.5.220.0-24`]);
      await waitFor(
        'the peer to go',
        async () => !(await programmedPeers(lab(), 'h1')).includes('10.5.220.0/24'),
        60_000,
      );
      for (let write = 0; write < 20; write++) await lab().etcdctl(['put', '/elsewhere', String(write)]);
      await lab().stopEtcd('KILL');
      await lab().check('etcd', [
        'sh',
        '-c',
        'rm -rf /run/weft-lab/etcd && ETCDCTL_API=3 etcdctl snapshot restore /run/snapshot.db --data-dir /run/weft-lab/etcd',
      ]);
      await lab().startEtcd();
      await waitFor(
        'the restored peer',
        async () => (await programmedPeers(lab(), 'h1')).includes('10.5.220.0/24'),
        60_000,
        50,
      );
      await lab().etcdctl(['del', `${SUBNETS}/10.5.220.0-24`]);
      await followsAgain('10.5.221.0-24');
    }));

  it('with garbage in keys and values', () =>
    underPings(async () => {
      const before = await programmedPeers(lab(), 'h1');
      const garbage = [
        ['not-a-subnet', '{}'],
        ['10.5.230.0-24', 'no JSON'],
        ['10.5.231.7-24', foreignValue('x')],
        ['10.5.232.0-24', 'null'],
        ['10.5.233.0-24', '{"PublicIP":7}'],
      ];
      for (const [key, value] of garbage) await lab().etcdctl(['put', `${SUBNETS}/${key}`, value!]);
      await followsAgain('10.5.234.0-24');
      assert.deepEqual(await programmedPeers(lab(), 'h1'), before);
      await lab().stopDaemon('h1');
      await lab().startDaemon('h1');
      await waitUntilReady(lab(), 'h1');
      assert.deepEqual(await programmedPeers(lab(), 'h1'), before);
      for (const [key] of garbage) await lab().etcdctl(['del', `${SUBNETS}/${key}`]);
    }));

  it("with a host's lease revoked", () =>
    underPings(async () => {
      const from = await logSize();
      const { subnet } = await viewOf(lab(), 'h1');
      const key = `${SUBNETS}/${subnetKey(subnet)}`;
      const read = async () =>
        JSON.parse(await lab().etcdctl(['get', key, '-w', 'json'])) as {
          kvs?: { lease: number; mod_revision: number }[];
        };
      const text = await lab().etcdctl(['get', key, '-w', 'json']);
      // The lease id is larger than a JSON number can hold here.
      const lease = BigInt(/"lease":(\d+)/.exec(text)![1]!).toString(16);
      const revision = (await read()).kvs![0]!.mod_revision;
      await lab().etcdctl(['lease', 'revoke', lease]);
      await waitFor(
        'the key to be back',
        async () => ((await read()).kvs?.[0]?.mod_revision ?? 0) > revision,
        60_000,
      );
      assert.equal((await viewOf(lab(), 'h1')).subnet, subnet);
      await waitFor(
        'the peer to have it again',
        async () => (await programmedPeers(lab(), 'h2')).includes(subnet),
        60_000,
      );
      return lostWithoutKey(from);
    }));

  it("with a host's key deleted", () =>
    underPings(async () => {
      const from = await logSize();
      const { subnet } = await viewOf(lab(), 'h1');
      const key = `${SUBNETS}/${subnetKey(subnet)}`;
      await lab().etcdctl(['del', key]);
      const isBack = async () => (await lab().etcdctl(['get', key])).includes('198.18.1.1');
      await waitFor('the key to be back', isBack, 60_000);
      const isKnown = async () => (await programmedPeers(lab(), 'h2')).includes(subnet);
      await waitFor('the peer to know of it', isKnown, 60_000);
      return lostWithoutKey(from);
    }));

  it("with a host's key overwritten by another host", async () => {
    const before = await viewOf(lab(), 'h1');
    await lab().etcdctl(['put', `${SUBNETS}/${subnetKey(before.subnet)}`, foreignValue('02:00:00:00:00:05')]);
    const moved = async () => (await viewOf(lab(), 'h1')).subnet !== before.subnet;
    await waitFor('h1 to take another subnet', moved, 60_000);
    const after = await viewOf(lab(), 'h1');
    assert.equal(after.mac, before.mac);
    const addresses = await lab().check('h1', ['ip', 'addr', 'show', 'dev', 'flannel.1']);
    assert.ok(
      addresses.includes(` ${after.subnet.replace('/24', '/32')} `) &&
        !addresses.includes(` ${before.subnet.replace('/24', '/32')} `),
    );
    const expected = [after.subnet, before.subnet].toSorted();
    await waitFor(
      'h2 to follow',
      async () => (await programmedPeers(lab(), 'h2')).join() === expected.join(),
      60_000,
    );
  });
});

describe('etcd that is absent at boot', () => {
  const lab = useLab({ hosts: 2, start: false });

  it('is waited for, and so is its config, without an end of the daemon', async () => {
    for (const name of ['h1', 'h2']) await lab().startDaemon(name);
    const log = () => readFile(`${lab().logFolder}/h1.log`, 'utf8');
    await waitFor(
      'h1 to log that etcd is missing',
      async () => /198\.18\.0\.2:2379/.test(await log()),
      60_000,
      50,
    );
    assert.ok(await lab().isRunning('h1'));
    assert.ok(!(await lab().isReady('h1')));
    await lab().startEtcd();
    await waitFor(
      'h1 to log that the config is missing',
      async () => /network\/config/.test(await log()),
      60_000,
      50,
    );
    await lab().putConfig('{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan", "VNI": "one"}}');
    await waitFor('h1 to log the error in it', async () => /VNI/.test(await log()), 60_000, 50);
    await lab().putConfig(DEFAULT_CONFIG);
    for (const name of ['h1', 'h2']) await waitUntilReady(lab(), name);
    for (const name of ['h1', 'h2']) await lab().attachContainer(name);
    assert.ok(await canPing(lab(), 'c1', 'h2'));
  });
});
