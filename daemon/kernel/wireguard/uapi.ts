// The text protocol of WireGuard in userspace (wireguard.com/xplatform): requests and answers as
// lines `name=value`, keys in hex, an empty line at the end.
import { networkOf, parseCidr, type Cidr } from '../../../lib/address.ts';
import { formatEndpoint, parseEndpoint } from '../../../lib/endpoint.ts';
import { wireguardPublicKey } from '../../../lib/wireguard-key.ts';
import { pskIdOf } from '../netlink/wireguard.ts';
import type { WireguardPeerStep } from './wireguard-control.ts';
import {
  KEY_BYTES,
  type WireguardDeviceChange,
  type WireguardDeviceMessage,
  type WireguardPeerMessage,
} from './wireguard-model.ts';

/** The request for all settings and peers. */
export const UAPI_GET = 'get=1\n\n';

/** The request that sets key and port; peers stay. */
export function encodeUapiSet({ privateKey, listenPort }: WireguardDeviceChange): string {
  const key = privateKey === undefined ? [] : [`private_key=${privateKey.toString('hex')}`];
  return request([...key, `listen_port=${listenPort}`, 'fwmark=0']);
}

/** The request of one change of a peer. */
export function encodeUapiPeer(step: WireguardPeerStep): string {
  if (step.action === 'remove') return request([`public_key=${hexOf(step.publicKey)}`, 'remove=true']);
  const { publicKey, psk, endpoint, keepaliveSec, allowedIps } = step.peer;
  return request([
    `public_key=${hexOf(publicKey)}`,
    `preshared_key=${psk.toString('hex')}`,
    ...(endpoint === undefined ? [] : [`endpoint=${formatEndpoint(endpoint)}`]),
    `persistent_keepalive_interval=${keepaliveSec}`,
    'replace_allowed_ips=true',
    ...allowedIps.map((cidr) => `allowed_ip=${cidr}`),
  ]);
}

/** Errno of an answer, positive, 0 for success; `undefined` if the answer has none. */
export function decodeUapiErrno(answer: string): number | undefined {
  const match = /^errno=(-?\d{1,5})$/m.exec(answer);
  return match === null ? undefined : Math.abs(Number(match[1]));
}

/** Decodes the answer to {@link UAPI_GET}. The private key is used for the public one alone. */
export function decodeUapiDevice(answer: string): WireguardDeviceMessage {
  const device = { publicKey: '', listenPort: 0, fwmark: 0 };
  const peers: PeerBuilder[] = [];
  for (const line of answer.split('\n')) {
    const at = line.indexOf('=');
    const [name, value] = [line.slice(0, at), line.slice(at + 1)];
    if (name === 'public_key') peers.push(new PeerBuilder(base64Of(value)));
    else if (peers.length > 0) peers.at(-1)!.add(name, value);
    else if (name === 'private_key') device.publicKey = publicKeyOf(value);
    else if (name === 'listen_port') device.listenPort = Number(value);
    else if (name === 'fwmark') device.fwmark = Number(value);
  }
  return { ...device, peers: peers.map((peer) => peer.build()) };
}

/** Collects the lines of one peer. */
class PeerBuilder {
  readonly #publicKey: string;
  readonly #allowedIps: Cidr[] = [];
  readonly #values = new Map<string, string>();

  constructor(publicKey: string) {
    this.#publicKey = publicKey;
  }

  add(name: string, value: string): void {
    const cidr = name === 'allowed_ip' ? parseCidr(value) : undefined;
    if (cidr !== undefined) this.#allowedIps.push(networkOf(cidr.address, cidr.prefixLength));
    this.#values.set(name, value);
  }

  build(): WireguardPeerMessage {
    const endpoint = parseEndpoint(this.#values.get('endpoint') ?? '');
    return {
      publicKey: this.#publicKey,
      pskId: pskIdOf(Buffer.from(this.#values.get('preshared_key') ?? '', 'hex')),
      ...(endpoint && { endpoint }),
      keepaliveSec: this.#number('persistent_keepalive_interval'),
      lastHandshakeMs:
        this.#number('last_handshake_time_sec') * 1000 +
        Math.floor(this.#number('last_handshake_time_nsec') / 1e6),
      rxBytes: this.#number('rx_bytes'),
      txBytes: this.#number('tx_bytes'),
      allowedIps: this.#allowedIps,
    };
  }

  #number(name: string): number {
    return Number(this.#values.get(name) ?? 0);
  }
}

function publicKeyOf(privateKey: string): string {
  const bytes = Buffer.from(privateKey, 'hex');
  return bytes.length === KEY_BYTES && bytes.some((byte) => byte !== 0) ? wireguardPublicKey(bytes) : '';
}

function request(lines: readonly string[]): string {
  return `set=1\n${lines.join('\n')}\n\n`;
}

function hexOf(base64: string): string {
  return Buffer.from(base64, 'base64').toString('hex');
}

function base64Of(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64');
}
