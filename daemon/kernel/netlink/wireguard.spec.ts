// Bytes of requests and answers as linux/wireguard.h and the kernel's netlink attributes have them.
import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Cidr, IpAddress } from '../../../lib/address.ts';
import { fingerprint } from '../../../lib/wireguard-key.ts';
import { MessageWriter } from './message.ts';
import {
  decodeWireguard,
  encodeWireguardGet,
  encodeWireguardPeerRemove,
  encodeWireguardPeerSet,
  encodeWireguardSet,
  joinWireguard,
} from './wireguard.ts';

const FAMILY = 0x1c;
const KEY = Buffer.alloc(32, 0xa1);
const PSK = Buffer.alloc(32, 0xb2);

function bytesOf(encode: (writer: MessageWriter) => void): string {
  const writer = new MessageWriter(1024);
  encode(writer);
  writer.end(1);
  return writer.bytes.toString('hex');
}

/** An attribute: length and type in host order, payload padded to four bytes. */
function attribute(type: number, payload: Buffer | string): string {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'hex') : payload;
  const header = Buffer.alloc(4);
  header.writeUInt16LE(4 + body.length, 0);
  header.writeUInt16LE(type, 2);
  return Buffer.concat([header, body, Buffer.alloc((4 - (body.length % 4)) % 4)]).toString('hex');
}

function message(flags: number, command: number, attributes: string): string {
  const body = Buffer.from(attributes, 'hex');
  const header = Buffer.alloc(20);
  header.writeUInt32LE(20 + body.length, 0);
  header.writeUInt16LE(FAMILY, 4);
  header.writeUInt16LE(flags, 6);
  header.writeUInt32LE(1, 8);
  header.writeUInt8(command, 16);
  header.writeUInt8(1, 17);
  return Buffer.concat([header, body]).toString('hex');
}

const NAME = attribute(2, Buffer.from('flannel-wg\0'));
const NESTED = 0x8000;

describe('WireGuard codec', () => {
  it('GET_DEVICE is a dump that names the device', () => {
    const actual = bytesOf((writer) => encodeWireguardGet(writer, FAMILY, 'flannel-wg'));
    assert.equal(actual, message(0x301, 0, NAME));
  });

  it('SET_DEVICE sets key, port in host order, and no mark', () => {
    const change = { privateKey: KEY, listenPort: 51820 };
    const actual = bytesOf((writer) => encodeWireguardSet(writer, FAMILY, 'flannel-wg', change));
    const attributes = attribute(3, KEY) + attribute(6, '6cca') + attribute(7, '00000000');
    assert.equal(actual, message(1, 1, NAME + attributes));
  });

  for (const { what, address, sockaddr, cidr, allowed } of [
    {
      what: 'IPv4',
      address: '192.0.2.7',
      sockaddr: '0200ca6cc00002070000000000000000',
      cidr: '10.5.2.0/24',
      allowed: attribute(1, '0200') + attribute(2, '0a050200') + attribute(3, '18'),
    },
    {
      what: 'IPv6',
      address: '2001:db8::7',
      sockaddr: '0a00ca6c0000000020010db800000000000000000000000700000000',
      cidr: 'fd00:0:0:2::/64',
      allowed: attribute(1, '0a00') + attribute(2, 'fd000000000000020000000000000000') + attribute(3, '40'),
    },
  ])
    it(`a peer over ${what} replaces its allowed IPs, and always says keepalive and preshared key`, () => {
      const peer = {
        publicKey: KEY.toString('base64'),
        psk: PSK,
        endpoint: { address: address as IpAddress, port: 51820 },
        keepaliveSec: 25,
        allowedIps: [cidr as Cidr],
      };
      const actual = bytesOf((writer) => encodeWireguardPeerSet(writer, FAMILY, 'flannel-wg', peer));
      const ips = attribute(NESTED | 9, attribute(NESTED, allowed));
      const fields =
        attribute(1, KEY) + attribute(3, '02000000') + attribute(2, PSK) + attribute(4, sockaddr);
      const element = attribute(NESTED, fields + attribute(5, '1900') + ips);
      assert.equal(actual, message(1, 1, NAME + attribute(NESTED | 8, element)));
      assert.ok(actual.length / 2 <= 512, 'a request keeps to the bound of the writer');
    });

  it('a peer is removed by its key', () => {
    const key = KEY.toString('base64');
    const actual = bytesOf((writer) => encodeWireguardPeerRemove(writer, FAMILY, 'flannel-wg', key));
    const element = attribute(NESTED, attribute(1, KEY) + attribute(3, '01000000'));
    assert.equal(actual, message(1, 1, NAME + attribute(NESTED | 8, element)));
  });

  it('decodes a device with a peer, and shows no secret', () => {
    const time = Buffer.alloc(16);
    time.writeBigInt64LE(1_700_000_000n, 0);
    time.writeBigInt64LE(250_000_000n, 8);
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64LE(5_000_000_000n);
    const allowed = attribute(1, '0200') + attribute(2, '0a050200') + attribute(3, '18');
    const peer =
      attribute(1, KEY) +
      attribute(2, PSK) +
      attribute(4, '0200ca6cc00002070000000000000000') +
      attribute(5, '1900') +
      attribute(6, time) +
      attribute(7, counter) +
      attribute(8, counter) +
      attribute(9 | NESTED, attribute(NESTED, allowed));
    const answer = Buffer.from(
      message(
        2,
        0,
        attribute(3, PSK) +
          attribute(4, KEY) +
          attribute(6, '6cca') +
          attribute(7, '01000000') +
          attribute(NESTED | 8, attribute(NESTED, peer)),
      ),
      'hex',
    );
    const device = decodeWireguard(answer, 0, answer.length);
    assert.deepEqual(device, {
      publicKey: KEY.toString('base64'),
      listenPort: 51820,
      fwmark: 1,
      peers: [
        {
          publicKey: KEY.toString('base64'),
          pskId: fingerprint(PSK),
          endpoint: { address: '192.0.2.7', port: 51820 },
          keepaliveSec: 25,
          lastHandshakeMs: 1_700_000_000_250,
          rxBytes: 5_000_000_000,
          txBytes: 5_000_000_000,
          allowedIps: ['10.5.2.0/24'],
        },
      ],
    });
    assert.ok(!JSON.stringify(device).includes(PSK.toString('base64')));
  });

  it('joins a peer whose allowed IPs go over two messages', () => {
    const base = { publicKey: 'own', listenPort: 1, fwmark: 0 };
    const rest = { pskId: '', keepaliveSec: 0, lastHandshakeMs: 0, rxBytes: 0, txBytes: 0 };
    const [a, b, c] = ['10.5.1.0/24', '10.5.2.0/24', '10.5.3.0/24'] as Cidr[];
    const joined = joinWireguard([
      { ...base, peers: [{ ...rest, publicKey: 'one', keepaliveSec: 9, allowedIps: [a!] }] },
      {
        publicKey: '',
        listenPort: 0,
        fwmark: 0,
        peers: [
          { ...rest, publicKey: 'one', allowedIps: [b!] },
          { ...rest, publicKey: 'two', allowedIps: [c!] },
        ],
      },
    ]);
    assert.equal(joined?.listenPort, 1);
    assert.deepEqual(
      joined?.peers.map(({ publicKey, keepaliveSec, allowedIps }) => [publicKey, keepaliveSec, allowedIps]),
      [
        ['one', 9, [a, b]],
        ['two', 0, [c]],
      ],
    );
    assert.equal(joinWireguard([]), undefined);
  });
});
