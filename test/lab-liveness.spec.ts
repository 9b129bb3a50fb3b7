// What operators see of a peer that stops answering, at default settings.
import assert from 'node:assert/strict';
import type { PeersV1, StatusV1 } from '../api/index.ts';
import { waitFor } from '../lab/wait.ts';
import { logOf } from './support/daemon-view.ts';
import { useLab, waitUntilReady } from './support/lab-suite.ts';

/** A silent peer shows within 30 s; machines of tests are slow. */
const PATIENCE_MS = 90_000;
const PORT = 8472;

describe('liveness of peers in a lab', () => {
  const lab = useLab({ hosts: 3 });

  before(async () => {
    for (const { name } of lab().topology.hosts) await waitUntilReady(lab(), name);
  });

  async function livenessOf(host: string): Promise<Record<string, string | undefined>> {
    const { stdout } = await lab().weft(host, ['peers', '--json']);
    const { peers } = JSON.parse(stdout) as PeersV1;
    return Object.fromEntries(peers.map(({ publicIp, liveness }) => [publicIp, liveness?.state]));
  }

  async function addressOf(host: string): Promise<string> {
    const status = JSON.parse((await lab().weft(host, ['status', '--json'])).stdout) as StatusV1;
    return status.interface!.address!;
  }

  async function waitUntil(host: string, expected: Record<string, string>): Promise<void> {
    await waitFor(
      `${host} to see ${JSON.stringify(expected)}`,
      async () => {
        const seen = await livenessOf(host);
        return Object.entries(expected).every(([address, state]) => seen[address] === state);
      },
      PATIENCE_MS,
    );
  }

  it('is reachable on a healthy host, which is ok', async () => {
    const [h2, h3] = await Promise.all([addressOf('h2'), addressOf('h3')]);
    await waitUntil('h1', { [h2]: 'reachable', [h3]: 'reachable' });
    const { code, stdout } = await lab().weft('h1', ['status']);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /peers +2 programmed; 2 reachable\n/);
    assert.deepEqual(await lab().weft('h1', ['peers', '-p']), { code: 0, stdout: '', stderr: '' });
  });

  it('is silent while its interface is down, in status, peers, events, log and metrics', async () => {
    const [h2, h3] = await Promise.all([addressOf('h2'), addressOf('h3')]);
    await lab().check('h2', ['ip', 'link', 'set', 'eth0', 'down']);
    await waitUntil('h1', { [h2]: 'silent', [h3]: 'reachable' });
    const status = await lab().weft('h1', ['status']);
    assert.equal(status.code, 4, status.stdout);
    assert.match(
      status.stdout,
      /degraded[^]*2 programmed; 1 reachable, 1 silent\n[^]*! 1 of 2 peers silent: 10\.5\.\d+\.0-24 \(h2\) since /,
    );
    const problems = await lab().weft('h1', ['peers', '-p']);
    assert.equal(problems.code, 4);
    assert.match(problems.stdout, new RegExp(`${h2} .*programmed .*silent for \\d+ s\\n$`));
    assert.match(await logOf(lab(), 'h1'), /WARN.*A peer does not answer, neither/);
    await lab().check('h2', ['ip', 'link', 'set', 'eth0', 'up']);
    await waitUntil('h1', { [h2]: 'reachable' });
    await waitFor('h1 to be ok', async () => (await lab().weft('h1', ['status'])).code === 0, PATIENCE_MS);
    assert.match(await logOf(lab(), 'h1'), /INFO.*A peer answers again/);
  });

  it('answers on the underlay alone while a firewall drops the tunnel', async () => {
    const h3 = await addressOf('h3');
    const rule = `add table ip block; add chain ip block in { type filter hook prerouting priority -300; }; add rule ip block in udp dport ${PORT} drop`;
    await lab().check('h3', ['nft', rule]);
    await waitUntil('h1', { [h3]: 'overlay-broken' });
    const { code, stdout } = await lab().weft('h1', ['status']);
    assert.equal(code, 4);
    assert.match(stdout, /1 on the underlay alone\n[^]*! 1 of 2 peers answer on the underlay and not on/);
    await lab().check('h3', ['nft', 'delete table ip block']);
    await waitUntil('h1', { [h3]: 'reachable' });
  });
});
