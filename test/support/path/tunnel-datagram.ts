// Datagrams of the tunnel, built byte by byte, from a sender that need not be a peer.
import type { Family } from '../../../lib/address.ts';
import type { Encapsulation } from '../../../native/packet-path.ts';

const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const UDP_BYTES = 8;
const PROTOCOL_UDP = 17;

export interface TunnelDatagram {
  readonly encapsulation: Encapsulation;
  readonly family: Family;
  /** Inner addresses. */
  readonly source: string;
  readonly destination: string;
  /** VTEP MAC of the receiver. */
  readonly mac: string;
  /** Of the inner UDP payload, zeros; default 32. */
  readonly payloadBytes?: number;
  readonly vni?: number;
}

function addressBytes(address: string, family: Family): Buffer {
  if (family === 4) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail = ''] = address.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [first, last] = [groups(head), groups(tail)];
  const zeros: string[] = Array.from({ length: 8 - first.length - last.length }, () => '0');
  return Buffer.from([...first, ...zeros, ...last].map((group) => group.padStart(4, '0')).join(''), 'hex');
}

/** RFC 1071, over an even number of bytes. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

function ipv4Header(addresses: Buffer, payloadBytes: number): Buffer {
  const header = Buffer.alloc(IPV4_BYTES);
  header.writeUInt8(0x45, 0);
  header.writeUInt16BE(IPV4_BYTES + payloadBytes, 2);
  header.writeUInt8(64, 8);
  header.writeUInt8(PROTOCOL_UDP, 9);
  addresses.copy(header, 12);
  header.writeUInt16BE(checksum(header), 10);
  return header;
}

function ipv6Header(addresses: Buffer, payloadBytes: number): Buffer {
  const header = Buffer.alloc(IPV6_BYTES);
  header.writeUInt8(0x60, 0);
  header.writeUInt16BE(payloadBytes, 4);
  header.writeUInt8(PROTOCOL_UDP, 6);
  header.writeUInt8(64, 7);
  addresses.copy(header, 8);
  return header;
}

/** From port 9 to port 9, which has no listener; with a right checksum. */
function udpDatagram(addresses: Buffer, payloadBytes: number): Buffer {
  const datagram = Buffer.alloc(UDP_BYTES + payloadBytes + (payloadBytes % 2));
  datagram.writeUInt16BE(9, 0);
  datagram.writeUInt16BE(9, 2);
  datagram.writeUInt16BE(UDP_BYTES + payloadBytes, 4);
  const pseudo = Buffer.alloc(4);
  pseudo.writeUInt16BE(PROTOCOL_UDP, 0);
  pseudo.writeUInt16BE(UDP_BYTES + payloadBytes, 2);
  datagram.writeUInt16BE(checksum(Buffer.concat([addresses, pseudo, datagram])) || 0xffff, 6);
  return datagram.subarray(0, UDP_BYTES + payloadBytes);
}

function vxlanHeader(vni: number, mac: string, family: Family): Buffer {
  const flagsAndVni = Buffer.alloc(8);
  flagsAndVni.writeUInt8(0x08, 0);
  flagsAndVni.writeUInt32BE(vni * 0x100, 4);
  const station = Buffer.from(mac.replaceAll(':', ''), 'hex');
  const type = family === 4 ? '0800' : '86dd';
  return Buffer.concat([flagsAndVni, station, Buffer.from(`020000000099${type}`, 'hex')]);
}

/** Payload of an outer UDP datagram. */
export function makeTunnelDatagram(datagram: TunnelDatagram): Buffer {
  const { encapsulation, family, source, destination, mac, payloadBytes = 32, vni = 1 } = datagram;
  const addresses = Buffer.concat([addressBytes(source, family), addressBytes(destination, family)]);
  const udp = udpDatagram(addresses, payloadBytes);
  const header = family === 4 ? ipv4Header(addresses, udp.length) : ipv6Header(addresses, udp.length);
  const encapsulationHeader = encapsulation === 'vxlan' ? vxlanHeader(vni, mac, family) : Buffer.alloc(0);
  return Buffer.concat([encapsulationHeader, header, udp]);
}
