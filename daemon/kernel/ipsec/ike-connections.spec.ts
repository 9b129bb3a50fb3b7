import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cidr, ip4 } from '../../../backends/fixture.ts';
import type { IkeObject } from '../../../backends/kernel-state.ts';
import { Secret } from '../../../lib/secret.ts';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { IkeConnections, NEGOTIATION_MS, RECHECK_MS } from './ike-connections.ts';
import { decodePacket, encodePacket, PACKET, type ViciSection } from './vici-message.ts';

const IKE: IkeObject = {
  kind: 'ike',
  name: '10.9.0.1-10.5.1.0/24-10.5.2.0/24-10.9.0.2',
  local: ip4('10.9.0.1'),
  publicIp: ip4('10.9.0.1'),
  remote: ip4('10.9.0.2'),
  localSubnet: cidr('10.5.1.0/24'),
  remoteSubnet: cidr('10.5.2.0/24'),
  espProposal: 'aes128gcm16-sha256-prfsha256-ecp256',
  isUdpEncap: false,
  psk: new Secret('topsecret'),
};

const BOTH = ['10.9.0.1>10.9.0.2', '10.9.0.2>10.9.0.1'];

/** charon's socket, with the commands that weft uses. */
class FakeCharon {
  readonly calls: { readonly name: string; readonly message: ViciSection }[] = [];
  conns: string[] = [];
  rejected: string | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(path: string, onListening: () => void) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('data', (data) => {
        const { name, message } = decodePacket(data.subarray(4));
        this.calls.push({ name, message });
        socket.write(encodePacket({ type: PACKET.response, name: '', message: this.#answer(name, message) }));
      });
    }).listen(path, onListening);
  }

  #answer(name: string, message: ViciSection): ViciSection {
    if (name === this.rejected) return { success: 'no', errmsg: 'bad\nproposal' };
    if (name === 'get-conns') return { conns: this.conns };
    if (name === 'load-conn') this.conns = [...new Set([...this.conns, ...Object.keys(message)])];
    if (name === 'unload-conn') this.conns = this.conns.filter((one) => one !== message['name']);
    return { success: 'yes' };
  }

  end(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

describe('connections of charon', () => {
  let folder: string;
  let charon: FakeCharon | undefined;
  let ike: IkeConnections;
  let starts: number;
  let gone: number;
  let onGone: () => void;
  let sas: ReadonlySet<string>;
  let clock: FakeClock;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'weft-charon-'));
    [starts, gone] = [0, 0];
    onGone = () => undefined;
    clock = new FakeClock();
    sas = new Set(BOTH);
    ike = make();
  });
  afterEach(() => {
    ike.close();
    charon?.end();
    rmSync(folder, { recursive: true });
  });

  function make(): IkeConnections {
    const start = (socket: string): Promise<void> => {
      starts++;
      return new Promise((resolve) => (charon = new FakeCharon(socket, resolve)));
    };
    return new IkeConnections({
      socket: join(folder, 'vici'),
      start,
      onGone: () => {
        gone++;
        onGone();
      },
      listSas: () => Promise.resolve(sas),
      clock,
    });
  }
  const status = async (action: 'set' | 'remove', object: Parameters<IkeConnections['apply']>[1] = IKE) => {
    const outcome = await ike.apply(action, object);
    return outcome.status === 'done' ? 'done' : outcome.message;
  };
  const listed = async () => (await ike.list()).slice(1);

  it('are none while charon does not run, and to remove one is done then', async () => {
    assert.deepEqual(await ike.list(), []);
    assert.equal(await status('remove'), 'done');
    assert.equal(starts, 0);
  });

  it("start charon, and load the key and flannel's settings", async () => {
    assert.equal(await status('set'), 'done');
    assert.deepEqual(await listed(), [IKE]);
    const [, key, connection] = charon!.calls;
    assert.deepEqual(key, {
      name: 'load-shared',
      message: { id: `weft ${IKE.name}`, type: 'IKE', data: 'topsecret', owners: ['10.9.0.1', '10.9.0.2'] },
    });
    const settings = connection?.message[IKE.name] as ViciSection;
    assert.deepEqual(
      [settings['version'], settings['proposals'], settings['encap'], settings['keyingtries']],
      ['2', ['aes256-sha256-modp4096'], 'no', '0'],
    );
    const child = (settings['children'] as ViciSection)['10.5.1.0/24-10.5.2.0/24'] as ViciSection;
    assert.deepEqual(
      [child['local_ts'], child['remote_ts'], child['reqid'], child['policies'], child['start_action']],
      [['10.5.1.0/24'], ['10.5.2.0/24'], '11', 'no', 'start'],
    );
  });

  it('of an earlier process are not as desired, and set again without a new charon', async () => {
    await status('set');
    ike.close();
    ike = make();
    const [found] = await listed();
    assert.equal(found?.mismatch, 'of an earlier process');
    assert.equal(await status('set'), 'done');
    assert.deepEqual([await listed(), starts], [[IKE], 1]);
  });

  it('of other programs are left alone', async () => {
    await status('set');
    charon!.conns.push('office-vpn');
    assert.deepEqual(await listed(), [IKE]);
  });

  it('are unloaded with their SAs and key', async () => {
    await status('set');
    charon!.calls.length = 0;
    assert.equal(await status('remove'), 'done');
    assert.deepEqual(
      charon!.calls.map(({ name }) => name),
      ['get-conns', 'unload-conn', 'terminate', 'unload-shared'],
    );
    assert.deepEqual(await listed(), []);
  });

  /** Ends charon, which is reported. */
  async function endCharon(): Promise<void> {
    const isReported = new Promise<void>((resolve) => (onGone = resolve));
    charon!.end();
    rmSync(join(folder, 'vici'), { force: true });
    await isReported;
  }

  it('are gone when charon ends, which is reported, and come back by another', async () => {
    await status('set');
    await endCharon();
    assert.equal(gone, 1);
    assert.deepEqual(await ike.list(), []);
    assert.equal(await status('set'), 'done');
    assert.deepEqual([await listed(), starts], [[IKE], 2]);
  });

  it('are gone when a charon of an earlier process ends, too', async () => {
    await status('set');
    ike.close();
    ike = make();
    await listed();
    await endCharon();
    assert.deepEqual([await ike.list(), gone], [[], 1]);
  });

  it('reports no end of charon when it is closed itself', async () => {
    await status('set');
    ike.close();
    assert.deepEqual([await listed(), gone], [[IKE], 0]);
  });

  /** What charon was requested since, once it has answered. */
  async function begun(): Promise<readonly string[]> {
    await listed();
    const names = charon!.calls.map(({ name }) => name).filter((name) => name !== 'get-conns');
    charon!.calls.length = 0;
    return names;
  }

  it('are begun again where the kernel has no SAs, once charon has had the time to negotiate', async () => {
    await status('set');
    await begun();
    await clock.advance(2 * NEGOTIATION_MS);
    for (const missing of [[], BOTH.slice(0, 1), BOTH.slice(1)]) {
      sas = new Set(missing);
      ike.onSaEnded();
      await clock.advance(NEGOTIATION_MS - 1);
      assert.deepEqual(charon!.calls, []);
      await clock.advance(1);
      assert.deepEqual(await begun(), ['terminate', 'initiate']);
      sas = new Set(BOTH);
      await clock.advance(RECHECK_MS);
      assert.deepEqual(await begun(), []);
    }
    await status('remove');
    await begun();
    sas = new Set();
    ike.onSaEnded();
    await clock.advance(NEGOTIATION_MS);
    assert.deepEqual(await begun(), []);
  });

  it('are begun again and again while a peer refuses', async () => {
    sas = new Set();
    await status('set');
    await begun();
    for (const waitMs of [NEGOTIATION_MS, RECHECK_MS, RECHECK_MS]) {
      await clock.advance(waitMs);
      await listed();
      assert.deepEqual(charon!.calls.find(({ name }) => name === 'initiate')?.message, {
        ike: IKE.name,
        child: '10.5.1.0/24-10.5.2.0/24',
        timeout: '-1',
      });
      assert.deepEqual(await begun(), ['terminate', 'initiate']);
    }
    ike.close();
    assert.equal(clock.pendingTimers, 0);
  });

  it('report what charon rejects in one line, without the key', async () => {
    await status('set');
    charon!.rejected = 'load-conn';
    assert.equal(await status('set'), String.raw`charon rejects load-conn: bad\nproposal`);
    assert.ok(!JSON.stringify(await ike.list()).includes('topsecret'));
  });
});
