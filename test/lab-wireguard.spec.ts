// Backend wireguard: what the kernel holds, what peers read in the lease, that packets arrive whole and encrypted, and what a
// host does when another process damages it. By the kernel where it has WireGuard, else by wireguard-go.
import assert from 'node:assert/strict';
import { checkLab } from '../lab/run.ts';
import { useLab, waitUntilReady } from './support/lab-suite.ts';

const configOf = (backend: object) =>
  JSON.stringify({ Network: '10.5.0.0/16', Backend: { Type: 'wireguard', ...backend } });

describe('backend wireguard', () => {
  const lab = useLab({ hosts: 3, config: configOf({}) });

  it('carries pings and TCP between all', async () => {
    for (const { name } of lab().topology.hosts) await waitUntilReady(lab(), name);
    const { ping, tcpGbitPerSec } = await checkLab(lab(), () => undefined);
    assert.deepEqual(ping.broken, []);
    assert.ok((tcpGbitPerSec ?? 0) > 0, 'TCP carries nothing');
  });
});
