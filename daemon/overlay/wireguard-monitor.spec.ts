import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { FakeClock } from '../../test/support/fake-clock.ts';
import type { WireguardPeerMessage } from '../kernel/wireguard/wireguard-model.ts';
import { WireguardMonitor } from './wireguard-monitor.ts';

const WALL_MS = 1_700_000_000_000;
const PEER: WireguardPeerMessage = {
  publicKey: 'peer',
  pskId: '',
  keepaliveSec: 0,
  lastHandshakeMs: 0,
  rxBytes: 0,
  txBytes: 0,
  allowedIps: [],
};

class Host {
  readonly clock = new FakeClock();
  peers: readonly WireguardPeerMessage[] = [PEER];
  devices = ['flannel-wg'];
  isHurried = false;
  reads = 0;
  readonly seen: string[] = [];
  readonly monitor = new WireguardMonitor({
    clock: this.clock,
    kernel: {
      readWireguard: () => {
        this.reads++;
        return Promise.resolve({ publicKey: 'own', listenPort: 1, fwmark: 0, peers: this.peers });
      },
    },
    devices: () => this.devices,
    isHurried: () => this.isHurried,
    onHandshake: () => this.seen.push('handshake'),
    onChange: () => this.seen.push('change'),
    wallMs: () => WALL_MS + this.clock.nowMs(),
  });

  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
    await this.clock.settle();
  }
}

describe('WireGuard monitor', () => {
  it('reads nothing without a device, and reads once there is one', async () => {
    const host = new Host();
    host.devices = [];
    host.monitor.start();
    await host.pass(60_000);
    assert.equal(host.reads, 0);
    host.devices = ['flannel-wg'];
    host.monitor.wake();
    await host.pass(0);
    host.monitor.wake();
    await host.pass(0);
    assert.equal(host.reads, 1);
    await host.pass(10_000);
    assert.equal(host.reads, 2);
    host.monitor.stop();
  });

  it('reports a peer that does not answer for a second, once', async () => {
    const host = new Host();
    host.isHurried = true;
    host.monitor.start();
    await host.pass(0);
    await host.pass(800);
    assert.equal(host.monitor.isLate('flannel-wg', 'peer'), false);
    assert.deepEqual(host.seen, []);
    await host.pass(200);
    assert.equal(host.monitor.isLate('flannel-wg', 'peer'), true);
    await host.pass(5_000);
    assert.deepEqual(host.seen, ['handshake']);
    host.peers = [{ ...PEER, lastHandshakeMs: WALL_MS }];
    await host.pass(200);
    assert.deepEqual(host.seen, ['handshake', 'handshake']);
    host.peers = [];
    await host.pass(200);
    host.peers = [PEER];
    await host.pass(200);
    assert.equal(host.monitor.isLate('flannel-wg', 'peer'), false);
    host.monitor.stop();
  });

  it('reports the first handshake of a peer, and keeps it while the peer exists', async () => {
    const host = new Host();
    host.isHurried = true;
    host.monitor.start();
    await host.pass(0);
    assert.equal(host.monitor.has('flannel-wg', 'peer'), false);
    host.peers = [{ ...PEER, lastHandshakeMs: WALL_MS }];
    await host.pass(200);
    assert.equal(host.monitor.has('flannel-wg', 'peer'), true);
    assert.equal(host.monitor.has('flannel-wg.1', 'peer'), false);
    assert.deepEqual(host.seen, ['handshake']);
    await host.pass(400_000);
    assert.equal(host.monitor.has('flannel-wg', 'peer'), true);
    host.peers = [];
    await host.pass(200);
    assert.equal(host.monitor.has('flannel-wg', 'peer'), false);
    host.monitor.stop();
  });

  it('reports a first handshake also where another peer is gone at once', async () => {
    const host = new Host();
    host.isHurried = true;
    host.peers = [{ ...PEER, lastHandshakeMs: WALL_MS }];
    host.monitor.start();
    await host.pass(0);
    host.peers = [{ ...PEER, publicKey: 'other', lastHandshakeMs: WALL_MS }];
    await host.pass(200);
    assert.deepEqual(host.seen, ['handshake', 'handshake']);
    host.monitor.stop();
  });

  it('adopts what an earlier daemon left', async () => {
    const host = new Host();
    host.peers = [{ ...PEER, lastHandshakeMs: WALL_MS - 1_000_000 }];
    await host.monitor.adopt(['flannel-wg']);
    assert.equal(host.monitor.has('flannel-wg', 'peer'), true);
  });

  it('a peer is silent if packets go to it and no handshake is younger than three minutes', async () => {
    const host = new Host();
    host.monitor.start();
    await host.pass(0);
    const silence = async (change: Partial<WireguardPeerMessage>): Promise<boolean | undefined> => {
      host.peers = [{ ...PEER, ...change }];
      await host.pass(10_000);
      return host.monitor.peerOf('flannel-wg', 'peer')?.isSilent;
    };
    assert.equal(await silence({}), false, 'nothing is sent');
    assert.equal(await silence({ txBytes: 148 }), true, 'an initiation is sent');
    assert.equal(await silence({ txBytes: 148 }), true, 'it stays');
    assert.equal(host.monitor.silent, 1);
    const answeredMs = WALL_MS + host.clock.nowMs();
    assert.equal(await silence({ txBytes: 300, lastHandshakeMs: answeredMs }), false, 'it answers');
    await host.pass(180_000);
    assert.equal(await silence({ txBytes: 300, lastHandshakeMs: answeredMs }), false, 'idle');
    assert.equal(await silence({ txBytes: 400, lastHandshakeMs: answeredMs }), true, 'sent to again');
    assert.deepEqual(host.seen.filter((one) => one === 'change').length, 3);
    host.monitor.stop();
  });
});
