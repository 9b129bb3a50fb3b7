// `weft connectivity` in a dual-stack cluster: a healthy one passes, one fault at a peer fails exactly the cells that it
// breaks and names the place, a peer that cannot be asked is not tested, and nothing is left behind, however it ends.
import assert from 'node:assert/strict';
import type { CellV1 } from '../cli/connectivity/cells.ts';
import type { ConnectivityV1, PeerConnectivityV1 } from '../cli/connectivity/report.ts';
import type { DoctorV1 } from '../cli/doctor/report.ts';
import { waitFor } from '../lab/wait.ts';
import { PEER_FAULTS } from './support/doctor/peer-faults.ts';
import { shellTest, useLab, waitUntilReady } from './support/lab-suite.ts';

const TIMEOUT_MS = 30_000;
const CONFIG = JSON.stringify({
  Network: '10.5.0.0/16',
  EnableIPv6: true,
  IPv6Network: 'fd00:5::/48',
  Backend: { Type: 'vxlan' },
});
const HOSTS = ['h1', 'h2', 'h3'];
/** Of the port of each bridge: higher than nearly all random ones. */
const PORT_MAC = 'fa:ff:ff:ff:ff:ff';
/** Sends a request to the control socket, and stays. */
const ASK = `const [socketPath, body] = process.argv.slice(1);
require('http').request({ socketPath, path: '/v1/ask', method: 'POST' }, (answer) => answer.resume()).end(body);`;

describe('weft connectivity', () => {
  const lab = useLab({ hosts: 3, config: CONFIG, daemonFlags: ['--ip-masq'] });

  before(async () => {
    for (const name of HOSTS) await waitUntilReady(lab(), name);
    // A bridge has the lowest MAC address of its ports.
    for (const name of HOSTS) await shell(name, `ip link set veth0 address ${PORT_MAC}`);
  });

  const shell = (host: string, script: string): Promise<string> => lab().check(host, ['sh', '-ec', script]);

  async function run(args: readonly string[] = []): Promise<{ code: number; report: ConnectivityV1 }> {
    const { code, stdout, stderr } = await lab().weft('h1', ['connectivity', '--output', 'json', ...args]);
    assert.match(stdout, /^\{/, stderr);
    return { code, report: JSON.parse(stdout) as ConnectivityV1 };
  }

  async function runTo(peer: string): Promise<PeerConnectivityV1 & { readonly code: number }> {
    const { code, report } = await run(['--peer', peer]);
    assert.equal(report.peers.length, 1);
    return { code, ...report.peers[0]! };
  }

  /** Devices, processes and registry keys of tests. */
  async function leftovers(): Promise<string[]> {
    const devices = await Promise.all(
      HOSTS.map(async (host) => {
        const { stdout } = await lab().query(host, ['ip', '-br', 'link']);
        return stdout.split('\n').filter((line) => line.startsWith('weft-ct'));
      }),
    );
    const processes = (await lab().query('h1', ['ps', '-e', '-o', 'args'])).stdout
      .split('\n')
      .filter((line) => /connectivity agent/.test(line));
    const keys = (await lab().etcdctl(['get', '--prefix', '--keys-only', '/coreos.com/network/weft/']))
      .split('\n')
      .filter((key) => /\/(?:requests|answers)\//.test(key));
    return [...devices.flat(), ...processes, ...keys];
  }

  const nothingLeft = (): Promise<void> =>
    waitFor('nothing to be left', async () => (await leftovers()).length === 0, TIMEOUT_MS);

  const show = ({ family, from, to, test, reason }: CellV1): string =>
    `IPv${family} ${from} ${to} ${test}: ${reason ?? ''}`;
  const cellsIn = ({ cells }: PeerConnectivityV1, state: CellV1['state']): readonly CellV1[] =>
    cells.filter((cell) => cell.state === state);

  it('passes in a healthy cluster, in both families, and leaves nothing', async () => {
    const { code, report } = await run();
    assert.deepEqual(report.peers.map(({ name = '' }) => name).toSorted(), ['h2', 'h3']);
    for (const peer of report.peers) {
      assert.deepEqual([...cellsIn(peer, 'failed'), ...cellsIn(peer, 'untested')].map(show), []);
      assert.equal(peer.cells.length, 2 * (4 * 5 + 2));
    }
    assert.equal(code, 0);
    await nothingLeft();
  });

  for (const { name, breaks, cleans, fails, place, doctor } of PEER_FAULTS)
    it(`fails what is broken at the peer, and names the place: ${name}`, async () => {
      await shell('h2', breaks);
      try {
        const { code, failures, next, ...peer } = await runTo('h2');
        const failed = cellsIn(peer as PeerConnectivityV1, 'failed');
        assert.deepEqual(failed.map(show), peer.cells.filter(fails).map(show));
        assert.match(failures.join('\n'), place);
        assert.equal(next, 'weft doctor --to h2');
        assert.equal(code, 1);
        if (doctor !== undefined) {
          const { stdout } = await lab().weft('h1', ['doctor', '--json', '--to', 'h2']);
          const found = (JSON.parse(stdout) as DoctorV1).findings.find(({ check }) => check === doctor[0]);
          assert.equal(found?.host, 'h2', stdout);
          assert.match(found.evidence.join('\n'), doctor[1]);
        }
        await nothingLeft();
      } finally {
        await shell('h2', cleans);
      }
    });

  it('fails what the peer alone may not open, and names a rule by the state of connections', async () => {
    await shell(
      'h1',
      "nft 'table inet fw { chain x { type filter hook forward priority 10; iifname flannel.1 ct state new drop; }; }'",
    );
    try {
      const { code, failures, back, ...peer } = await runTo('h2');
      assert.deepEqual(peer.cells.filter(({ state }) => state === 'failed').map(show), []);
      const failed = back.filter(({ state }) => state === 'failed');
      const isKept = ({ family, to }: CellV1): boolean => family === 4 && to === 'container';
      assert.deepEqual(failed.map(show), back.filter(isKept).map(show));
      assert.equal(failed.length, 4);
      assert.match(
        failures.join('\n'),
        /^a connection \(TCP\) that h2 opens from its container to the container of h1 is lost, and passes in the/m,
      );
      assert.equal(code, 1);
    } finally {
      await shell('h1', 'nft delete table inet fw');
    }
    assert.deepEqual((await runTo('h2')).back.filter(({ state }) => state !== 'ok').map(show), []);
    await nothingLeft();
  });

  it('tests a peer whose daemon is stopped as far as it can, and doctor says what it did not test', async () => {
    await lab().stopDaemon('h3');
    const peer = await runTo('h3');
    assert.deepEqual(cellsIn(peer, 'failed').map(show), []);
    const tested = new Set(cellsIn(peer, 'ok').map(({ from, to, test }) => `${from} ${to} ${test}`));
    assert.deepEqual([...tested].toSorted(), [
      'container host ping',
      'container host ping-full',
      'host host ping',
      'host host ping-full',
    ]);
    assert.match(peer.notTested.join('\n'), /its daemon does not answer/);
    assert.equal(peer.code, 0);
    const { stdout } = await lab().weft('h1', ['doctor', '--json', '--to', 'h3']);
    const { findings, notTested } = JSON.parse(stdout) as DoctorV1;
    assert.deepEqual(findings, []);
    assert.match(notTested.join('\n'), /^rules, routes and bridges of h3: its daemon does not answer/m);
    await nothingLeft();
  });

  it('asks no peer that refuses', async () => {
    await lab().startDaemon('h3', ['--ip-masq', '--answer-peers=false']);
    await waitUntilReady(lab(), 'h3');
    await waitFor(
      'h3 to refuse',
      async () => /--answer-peers=false/.test((await runTo('h3')).notTested.join()),
      TIMEOUT_MS,
    );
    await lab().stopDaemon('h3');
    await lab().startDaemon('h3', ['--ip-masq']);
    await waitUntilReady(lab(), 'h3');
  });

  it('leaves nothing when it is interrupted', async () => {
    const script =
      'weft connectivity --peer h2 & p=$!; until ip -br link | grep -q ^weft-ct; do sleep 0.05; done; kill -INT $p; wait $p';
    const { code } = await lab().exec('h1', [...lab().environment('h1'), 'sh', '-c', script]);
    assert.equal(code, 130);
    await nothingLeft();
  });

  /** Starts a command that runs until it is killed: its answer is never read. h2 has a test container then. */
  async function ask(): Promise<void> {
    const body = JSON.stringify({ peer: 'h2', ask: { kind: 'endpoint' } });
    const socket = lab().controlSocket('h1');
    await lab().startProcess('run', 'h1', [process.execPath, '-e', ASK, socket, body]);
    await waitFor('h2 to have a test container', hasDevice('h2'), TIMEOUT_MS);
  }

  const hasDevice = (host: string) => (): Promise<boolean> =>
    shellTest(lab(), host, 'ip -br link | grep -q ^weft-ct');

  it('changes neither the MAC address nor the MTU of the bridge while a test container exists', async () => {
    const bridge = (): Promise<string> => shell('h2', 'cd /sys/class/net/br0; cat address mtu');
    await shell('h2', 'ip link set veth0 mtu 1500');
    const before = await bridge();
    await ask();
    assert.equal(await bridge(), before);
    assert.match(before, /^fa:ff.*\n1500$/m);
    await lab().signalProcess('run', 'KILL');
    await waitFor('it to be gone', async () => !(await hasDevice('h2')()), TIMEOUT_MS);
  });

  for (const [who, kill] of [
    ['the command', () => lab().signalProcess('run', 'KILL')],
    ['the daemon of the peer', () => lab().stopDaemon('h2', 'KILL')],
  ] as const)
    it(`leaves no device when ${who} is killed`, async () => {
      await ask();
      await kill();
      await waitFor('it to be gone', async () => !(await hasDevice('h2')()), TIMEOUT_MS);
      if (who !== 'the command')
        await lab()
          .signalProcess('run', 'KILL')
          .catch(() => undefined);
      for (const host of ['h1', 'h2'])
        if (!(await lab().isReady(host))) {
          await lab()
            .startDaemon(host)
            .catch(() => undefined);
          await waitUntilReady(lab(), host);
        }
    });

  it('removes what a test left, and so does weft cleanup', async () => {
    await shell('h1', 'ip link add weft-ct4194304 type veth peer name weft-left');
    assert.equal((await runTo('h2')).code, 0);
    assert.equal(await hasDevice('h1')(), false);
    await shell('h1', 'ip link add weft-ct4194304 type veth peer name weft-left');
    const { stdout } = await lab().weft('h1', ['cleanup', '--dry-run']);
    assert.match(stdout, /weft-ct4194304/);
    await shell('h1', 'ip link delete weft-ct4194304');
  });

  it('reaches containers by a route where no bridge exists', async () => {
    await shell('h3', 'ip link delete br0');
    const { code, ...peer } = await runTo('h3');
    assert.deepEqual([...cellsIn(peer, 'failed'), ...cellsIn(peer, 'untested')].map(show), []);
    assert.equal(code, 0);
    await nothingLeft();
  });
});
