// The texts of wireguard.com/xplatform, and a program's side of the socket.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { Cidr, IpAddress } from '../../../lib/address.ts';
import { fingerprint, wireguardPublicKey } from '../../../lib/wireguard-key.ts';
import { decodeUapiDevice, decodeUapiErrno, encodeUapiPeer, encodeUapiSet } from './uapi.ts';
import { UapiWireguard } from './uapi-wireguard.ts';
import { NO_PSK } from './wireguard-model.ts';

const PRIVATE = Buffer.from('e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a', 'hex');
const PEER = Buffer.from('b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33', 'hex');
const PSK = Buffer.from('188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52', 'hex');
const ANSWER = [
  `private_key=${PRIVATE.toString('hex')}`,
  'listen_port=12912',
  `public_key=${PEER.toString('hex')}`,
  `preshared_key=${PSK.toString('hex')}`,
  'protocol_version=1',
  'allowed_ip=192.168.4.4/32',
  'endpoint=[abcd:23::33%2]:51820',
  'last_handshake_time_sec=1700000000',
  'last_handshake_time_nsec=5000000',
  'tx_bytes=38333',
  'rx_bytes=2224',
  'persistent_keepalive_interval=111',
  'public_key=58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376',
  `preshared_key=${'0'.repeat(64)}`,
  'endpoint=182.122.22.19:3233',
  'allowed_ip=192.168.4.6/32',
  'allowed_ip=fd00::/64',
  'errno=0',
  '',
  '',
].join('\n');

describe('WireGuard in userspace', () => {
  it('sets key and port', () =>
    assert.equal(
      encodeUapiSet({ privateKey: PRIVATE, listenPort: 51820 }),
      `set=1\nprivate_key=${PRIVATE.toString('hex')}\nlisten_port=51820\nfwmark=0\n\n`,
    ));

  it('sets a peer whole, and removes one', () => {
    const publicKey = PEER.toString('base64');
    const peer = {
      publicKey,
      psk: NO_PSK,
      endpoint: { address: '2001:db8::1' as IpAddress, port: 51820 },
      keepaliveSec: 0,
      allowedIps: ['10.5.2.0/24', 'fd00:0:0:2::/64'] as Cidr[],
    };
    assert.equal(
      encodeUapiPeer({ action: 'set', peer }),
      `set=1\npublic_key=${PEER.toString('hex')}\npreshared_key=${'0'.repeat(64)}\n` +
        'endpoint=[2001:db8::1]:51820\npersistent_keepalive_interval=0\nreplace_allowed_ips=true\n' +
        'allowed_ip=10.5.2.0/24\nallowed_ip=fd00:0:0:2::/64\n\n',
    );
    assert.equal(
      encodeUapiPeer({ action: 'remove', publicKey }),
      `set=1\npublic_key=${PEER.toString('hex')}\nremove=true\n\n`,
    );
  });

  it('decodes a device with its peers, and shows no secret', () => {
    const device = decodeUapiDevice(ANSWER);
    assert.equal(device.publicKey, wireguardPublicKey(PRIVATE));
    assert.equal(device.listenPort, 12912);
    assert.deepEqual(device.peers, [
      {
        publicKey: PEER.toString('base64'),
        pskId: fingerprint(PSK),
        keepaliveSec: 111,
        lastHandshakeMs: 1_700_000_000_005,
        rxBytes: 2224,
        txBytes: 38333,
        allowedIps: ['192.168.4.4/32'],
      },
      {
        publicKey: 'WEAuaVuhdyscyTCXVfBDJR6nf9zxD75jmJzrfhkyE3Y=',
        pskId: '',
        endpoint: { address: '182.122.22.19', port: 3233 },
        keepaliveSec: 0,
        lastHandshakeMs: 0,
        rxBytes: 0,
        txBytes: 0,
        allowedIps: ['192.168.4.6/32', 'fd00::/64'],
      },
    ]);
    const text = JSON.stringify(device);
    for (const secret of [PRIVATE, PSK])
      for (const form of ['hex', 'base64'] as const) assert.ok(!text.includes(secret.toString(form)));
  });

  for (const [answer, errno] of [
    ['errno=0\n\n', 0],
    ['errno=-98\n\n', 98],
    ['errno=98\n\n', 98],
    ['', undefined],
  ] as const)
    it(`the answer ${JSON.stringify(answer)} has the errno ${errno}`, () =>
      assert.equal(decodeUapiErrno(answer), errno));

  describe('socket', () => {
    let folder: string;
    let server: Server | undefined;
    const requests: string[] = [];

    beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'weft-uapi-'))));
    afterEach(() => {
      server?.close();
      rmSync(folder, { recursive: true });
      requests.length = 0;
    });

    /** A program that answers every request with `answer`, in pieces. */
    function serve(answer: string): Promise<UapiWireguard> {
      server = createServer((connection) => {
        connection.on('data', (chunk) => {
          requests.push(String(chunk));
          for (const piece of answer.match(/[^]{1,100}/g) ?? []) connection.write(piece);
          if (answer === '') connection.end();
        });
      });
      const control = new UapiWireguard({ folder, timeoutMs: 200 });
      return new Promise((resolve) => server!.listen(join(folder, 'wg.sock'), () => resolve(control)));
    }

    it('reads a device', async () => {
      const control = await serve(ANSWER);
      assert.equal((await control.read('wg'))?.peers.length, 2);
      assert.deepEqual(requests, ['get=1\n\n']);
    });

    it('a program that rejects a change has its errno', async () => {
      const control = await serve('errno=-98\n\n');
      const outcome = await control.setDevice('wg', { listenPort: 1 });
      assert.equal(outcome.status === 'rejected' && outcome.errno, 'EADDRINUSE');
    });

    it('a program that hangs up leaves the outcome unknown', async () => {
      const control = await serve('');
      assert.equal((await control.setDevice('wg', { listenPort: 1 })).status, 'unknown');
    });

    it('without a program there is no device, and a change is rejected with ENODEV', async () => {
      const control = new UapiWireguard({ folder });
      assert.equal(control.hasSocket('wg'), false);
      assert.equal(await control.read('wg'), undefined);
      const outcome = await control.setDevice('wg', { listenPort: 1 });
      assert.equal(outcome.status === 'rejected' && outcome.errno, 'ENODEV');
    });
  });
});
