// WireGuard devices of the kernel as bytes: WG_CMD_* of the generic netlink family `wireguard`
// (linux/wireguard.h, Linux 5.6). One peer a request, so that a rejected one costs no other.
import { fingerprint } from '../../../lib/wireguard-key.ts';
import type { Endpoint } from '../../../lib/endpoint.ts';
import { addressOf, familyOf, prefixLengthOf, type Cidr, type IpAddress } from '../../../lib/address.ts';
import {
  KEY_BYTES,
  NO_PSK,
  type WireguardDeviceChange,
  type WireguardDeviceMessage,
  type WireguardPeerChange,
  type WireguardPeerMessage,
} from '../wireguard/wireguard-model.ts';
import { decodeIp, encodeIp } from './address-bytes.ts';
import {
  AF_INET,
  AF_INET6,
  NLM_F_DUMP,
  WG_CMD_GET_DEVICE,
  WG_CMD_SET_DEVICE,
  WGALLOWEDIP_A_CIDR_MASK,
  WGALLOWEDIP_A_FAMILY,
  WGALLOWEDIP_A_IPADDR,
  WGDEVICE_A_FWMARK,
  WGDEVICE_A_IFNAME,
  WGDEVICE_A_LISTEN_PORT,
  WGDEVICE_A_PEERS,
  WGDEVICE_A_PRIVATE_KEY,
  WGDEVICE_A_PUBLIC_KEY,
  WGPEER_A_ALLOWEDIPS,
  WGPEER_A_ENDPOINT,
  WGPEER_A_FLAGS,
  WGPEER_A_LAST_HANDSHAKE_TIME,
  WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL,
  WGPEER_A_PRESHARED_KEY,
  WGPEER_A_PUBLIC_KEY,
  WGPEER_A_RX_BYTES,
  WGPEER_A_TX_BYTES,
  WGPEER_F_REMOVE_ME,
  WGPEER_F_REPLACE_ALLOWEDIPS,
} from './constants.ts';
import { beginGeneric, GENL_ATTRIBUTES_AT } from './genetlink.ts';
import { AttributeTable, type MessageWriter } from './message.ts';

/** Bytes of `struct sockaddr_in` and `struct sockaddr_in6`. */
const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;
/** Type of an element of a list, which the kernel ignores. */
const ELEMENT = 0;

/** WG_CMD_GET_DEVICE: a dump of one device, its peers over as many messages as they need. */
export function encodeWireguardGet(writer: MessageWriter, family: number, name: string): void {
  beginGeneric(writer, family, WG_CMD_GET_DEVICE, NLM_F_DUMP);
  writer.attributeText(WGDEVICE_A_IFNAME, name);
}

/** WG_CMD_SET_DEVICE: key and port. Peers stay. */
export function encodeWireguardSet(
  writer: MessageWriter,
  family: number,
  name: string,
  { privateKey, listenPort }: WireguardDeviceChange,
): void {
  beginGeneric(writer, family, WG_CMD_SET_DEVICE);
  writer.attributeText(WGDEVICE_A_IFNAME, name);
  if (privateKey !== undefined) writer.attributeBytes(WGDEVICE_A_PRIVATE_KEY, privateKey);
  writer.attributeU16(WGDEVICE_A_LISTEN_PORT, listenPort);
  writer.attributeU32(WGDEVICE_A_FWMARK, 0);
}

/** WG_CMD_SET_DEVICE: one peer, created or changed whole. Sessions of a present peer go on. */
export function encodeWireguardPeerSet(
  writer: MessageWriter,
  family: number,
  name: string,
  peer: WireguardPeerChange,
): void {
  writePeer(writer, family, name, () => {
    writer.attributeBytes(WGPEER_A_PUBLIC_KEY, Buffer.from(peer.publicKey, 'base64'));
    writer.attributeU32(WGPEER_A_FLAGS, WGPEER_F_REPLACE_ALLOWEDIPS);
    writer.attributeBytes(WGPEER_A_PRESHARED_KEY, peer.psk);
    if (peer.endpoint !== undefined) writer.attributeBytes(WGPEER_A_ENDPOINT, encodeSockaddr(peer.endpoint));
    writer.attributeU16(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, peer.keepaliveSec);
    writer.nested(WGPEER_A_ALLOWEDIPS, () => {
      for (const cidr of peer.allowedIps) writer.nested(ELEMENT, () => writeAllowedIp(writer, cidr));
    });
  });
}

/** WG_CMD_SET_DEVICE: removes one peer; absence is success. */
export function encodeWireguardPeerRemove(
  writer: MessageWriter,
  family: number,
  name: string,
  publicKey: string,
): void {
  writePeer(writer, family, name, () => {
    writer.attributeBytes(WGPEER_A_PUBLIC_KEY, Buffer.from(publicKey, 'base64'));
    writer.attributeU32(WGPEER_A_FLAGS, WGPEER_F_REMOVE_ME);
  });
}

function writePeer(writer: MessageWriter, family: number, name: string, write: () => void): void {
  beginGeneric(writer, family, WG_CMD_SET_DEVICE);
  writer.attributeText(WGDEVICE_A_IFNAME, name);
  writer.nested(WGDEVICE_A_PEERS, () => writer.nested(ELEMENT, write));
}

function writeAllowedIp(writer: MessageWriter, cidr: Cidr): void {
  writer.attributeU16(WGALLOWEDIP_A_FAMILY, familyOf(cidr) === 4 ? AF_INET : AF_INET6);
  writer.attributeIp(WGALLOWEDIP_A_IPADDR, addressOf(cidr));
  writer.attributeU8(WGALLOWEDIP_A_CIDR_MASK, prefixLengthOf(cidr));
}

/**
 * `struct sockaddr_in`: family u16, port be16, address 4, padding 8. `struct sockaddr_in6`: family
 * u16, port be16, flowinfo u32, address 16, scope u32.
 */
function encodeSockaddr({ address, port }: Endpoint): Buffer {
  const isIpv4 = familyOf(address) === 4;
  const bytes = Buffer.alloc(isIpv4 ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES);
  bytes.writeUInt16LE(isIpv4 ? AF_INET : AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  encodeIp(bytes, isIpv4 ? 4 : 8, address);
  return bytes;
}

function decodeSockaddr(bytes: Buffer): Endpoint | undefined {
  if (bytes.length < SOCKADDR_IN_BYTES) return undefined;
  const isIpv4 = bytes.readUInt16LE(0) === AF_INET;
  const address = isIpv4 ? decodeIp(bytes, 4, 4) : decodeIp(bytes, 8, bytes.length >= 24 ? 16 : 0);
  return address === undefined ? undefined : { address, port: bytes.readUInt16BE(2) };
}

const device = new AttributeTable(WGDEVICE_A_PEERS);
const peer = new AttributeTable(WGPEER_A_ALLOWEDIPS);
const allowedIp = new AttributeTable(WGALLOWEDIP_A_CIDR_MASK);

/** Decodes one message of {@link encodeWireguardGet}: the device with some of its peers. */
export function decodeWireguard(buffer: Buffer, start: number, end: number): WireguardDeviceMessage {
  device.read(buffer, start + GENL_ATTRIBUTES_AT, end);
  const peers: WireguardPeerMessage[] = [];
  const header = {
    publicKey: keyText(device.bytes(WGDEVICE_A_PUBLIC_KEY)),
    listenPort: device.u16(WGDEVICE_A_LISTEN_PORT),
    fwmark: device.u32(WGDEVICE_A_FWMARK),
  };
  peer.readEach(device, WGDEVICE_A_PEERS, () => peers.push(decodePeer()));
  return { ...header, peers };
}

/**
 * Joins the messages of one device. A peer whose allowed IPs fill a message goes on in the next
 * with no more than its key and further allowed IPs (wg_get_device_dump).
 */
export function joinWireguard(
  messages: readonly WireguardDeviceMessage[],
): WireguardDeviceMessage | undefined {
  const [first] = messages;
  if (first === undefined) return undefined;
  const peers: WireguardPeerMessage[] = [];
  for (const each of messages.flatMap((message) => message.peers)) {
    const last = peers.at(-1);
    if (last?.publicKey === each.publicKey)
      peers[peers.length - 1] = { ...last, allowedIps: [...last.allowedIps, ...each.allowedIps] };
    else peers.push(each);
  }
  // Only the first message has the settings of the device.
  return { ...first, peers };
}

function decodePeer(): WireguardPeerMessage {
  const psk = peer.bytes(WGPEER_A_PRESHARED_KEY);
  const endpoint = decodeSockaddr(peer.bytes(WGPEER_A_ENDPOINT));
  const allowedIps: Cidr[] = [];
  const fields = {
    publicKey: keyText(peer.bytes(WGPEER_A_PUBLIC_KEY)),
    pskId: pskIdOf(psk),
    ...(endpoint && { endpoint }),
    keepaliveSec: peer.u16(WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL),
    lastHandshakeMs: decodeTime(peer.bytes(WGPEER_A_LAST_HANDSHAKE_TIME)),
    rxBytes: peer.u64(WGPEER_A_RX_BYTES),
    txBytes: peer.u64(WGPEER_A_TX_BYTES),
  };
  allowedIp.readEach(peer, WGPEER_A_ALLOWEDIPS, () => {
    const address = allowedIp.ip(WGALLOWEDIP_A_IPADDR);
    if (address !== undefined) allowedIps.push(cidrOf(address, allowedIp.u8(WGALLOWEDIP_A_CIDR_MASK)));
  });
  return { ...fields, allowedIps };
}

/** Fingerprint of a preshared key as read, which is all zero without one. */
export function pskIdOf(psk: Buffer): string {
  return psk.length < KEY_BYTES || psk.equals(NO_PSK) ? '' : fingerprint(psk);
}

/** `struct __kernel_timespec`: seconds and nanoseconds, 64 bits each. */
function decodeTime(bytes: Buffer): number {
  if (bytes.length < 16) return 0;
  return Number(bytes.readBigInt64LE(0)) * 1000 + Math.floor(Number(bytes.readBigInt64LE(8)) / 1e6);
}

function keyText(bytes: Buffer): string {
  return bytes.length === KEY_BYTES && !bytes.equals(NO_PSK) ? bytes.toString('base64') : '';
}

function cidrOf(address: IpAddress, length: number): Cidr {
  return `${address}/${length}` as Cidr;
}
