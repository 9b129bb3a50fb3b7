// Random flows: packets in a row as one sender makes them, some of them not quite what would continue the one before.
import * as fc from 'fast-check';
import {
  concat,
  parseIpPacket,
  PROTOCOL,
  read16,
  read32,
  with16,
  with32,
  with8,
  withHeaderChecksum,
  withTransportChecksum,
} from '../../../native/reference/index.ts';
import { survivingPacket } from './damage-arbitrary.ts';
import { ipPacket, transportPacket } from './packet-arbitrary.ts';
import { filler } from './transport-arbitrary.ts';

/** Anomaly of one packet. `at`: byte of which `bit` is changed before checksums are made; `harm`: the same after. */
export interface Anomaly {
  readonly at?: number;
  readonly bit?: number;
  readonly harm?: number;
  readonly flags?: number;
  readonly bytes?: number;
  readonly padding?: number;
  readonly idStep?: number;
}

const oddity: fc.Arbitrary<Anomaly> = fc.oneof(
  { weight: 30, arbitrary: fc.constant({}) },
  fc.nat({ max: 60 }).map((at) => ({ at })),
  fc.nat({ max: 120 }).map((harm) => ({ harm })),
  fc.constantFrom(1, 2, 4, 8, 0x20, 0x40, 0x80).map((flags) => ({ flags })),
  fc.nat({ max: 3 }).map((bytes) => ({ bytes })),
  fc.nat({ max: 20 }).map((padding) => ({ padding })),
  fc.constantFrom(0, 2).map((idStep) => ({ idStep })),
);

/** Without options and extension headers, nothing set that ends or forbids a super-packet. */
const plainPacket = transportPacket
  .filter((bytes) => !parseIpPacket(bytes)!.hasOptions)
  .map((bytes) => {
    const packet = parseIpPacket(bytes)!;
    const headers = bytes.slice(0, packet.networkBytes + packet.transportBytes);
    const isTcp = packet.protocol === PROTOCOL.tcp;
    const flagsAt = packet.networkBytes + 13;
    return isTcp ? with8(headers, flagsAt, (headers[flagsAt]! & 0x40) | 0x10) : headers;
  });

/** A packet with the `headers` of its flow, `sent` bytes and `index` packets after the first. */
export function flowPacket(
  headers: Uint8Array,
  data: Uint8Array,
  sent: number,
  index: number,
  anomaly: Anomaly,
): Uint8Array {
  const packet = parseIpPacket(withLengths(headers, new Uint8Array()))!;
  const transportAt = packet.networkBytes;
  let own = headers;
  if (packet.protocol === PROTOCOL.tcp) {
    own = with32(own, transportAt + 4, read32(own, transportAt + 4) + sent);
    own = with8(own, transportAt + 13, own[transportAt + 13]! ^ (anomaly.flags ?? 0));
  }
  if (packet.family === 4) own = with16(own, 4, (read16(own, 4) + index * (anomaly.idStep ?? 1)) & 0xffff);
  const whole = withLengths(own, data);
  const changed =
    anomaly.at === undefined
      ? whole
      : with8(
          whole,
          anomaly.at % whole.length,
          whole[anomaly.at % whole.length]! ^ (1 << (anomaly.bit ?? 0)),
        );
  const summed = withChecksums(changed);
  const harmAt = (anomaly.harm ?? 0) % summed.length;
  const harmed = anomaly.harm === undefined ? summed : with8(summed, harmAt, summed[harmAt]! ^ 0x10);
  // Nothing harms a packet so much that it is none.
  return concat(parseIpPacket(harmed) === undefined ? summed : harmed, filler(anomaly.padding ?? 0, 9));
}

function withLengths(headers: Uint8Array, data: Uint8Array): Uint8Array {
  const whole = concat(headers, data);
  const isIpv4 = whole[0]! >>> 4 === 4;
  const sized = isIpv4 ? with16(whole, 2, whole.length) : with16(whole, 4, whole.length - 40);
  const networkBytes = isIpv4 ? 20 : 40;
  const isUdp = sized[isIpv4 ? 9 : 6] === PROTOCOL.udp;
  return isUdp ? with16(sized, networkBytes + 4, whole.length - networkBytes) : sized;
}

function withChecksums(bytes: Uint8Array): Uint8Array {
  const packet = parseIpPacket(bytes);
  if (packet === undefined) return bytes;
  const summed =
    packet.transportBytes > 0 ? withTransportChecksum(bytes.slice(0, packet.totalBytes), packet) : bytes;
  if (packet.family === 6) return summed;
  return concat(withHeaderChecksum(summed.slice(0, packet.networkBytes)), summed.slice(packet.networkBytes));
}

/** One flow: a size for all packets without an anomaly. */
const flow = fc
  .record({
    headers: plainPacket,
    size: fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 1448 })),
    anomalies: fc.oneof(
      { weight: 5, arbitrary: fc.array(oddity, { minLength: 1, maxLength: 8 }) },
      { weight: 1, arbitrary: fc.array(oddity, { minLength: 40, maxLength: 70 }) },
    ),
  })
  .map(({ headers, size, anomalies }) => {
    let sent = 0;
    return anomalies.map((anomaly, index) => {
      const data = filler(anomaly.bytes === undefined ? size : Math.max(0, size + anomaly.bytes - 2), index);
      const packet = flowPacket(headers, data, sent, index, anomaly);
      sent += data.length;
      return packet;
    });
  });

/** Packets in arrival order: flows, one after another or interrupted by other packets. */
export const packetsInARow = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: flow },
      { weight: 1, arbitrary: fc.oneof(ipPacket, survivingPacket).map((packet) => [packet]) },
    ),
    { minLength: 1, maxLength: 4 },
  )
  .map((flows) => flows.flat().filter((packet) => parseIpPacket(packet) !== undefined));
