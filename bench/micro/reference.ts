// The same work as in micro.c, done by the specification of the packet path in plain TypeScript. It
// favours clarity. The difference in speed is the gain of the C.
import {
  checksumState,
  coalesce,
  decapsulateEcn,
  decapsulateUdp,
  decapsulateVxlan,
  decrementTtl,
  destinationAddress,
  encapsulateUdp,
  encapsulateVxlan,
  encapsulatedTos,
  GSO,
  isDropped,
  longestPrefix,
  NEEDS_CHECKSUM,
  onesComplementSum,
  parseIpPacket,
  segment,
  sourceAddress,
  with16,
  with32,
  withHeaderChecksum,
  withTransportChecksum,
  type IpPacket,
  type Prefix,
} from '../../native/reference/index.ts';

/** Does some work and returns how many packets or lookups that was. */
export type Operation = () => number;

const HEADER_BYTES = 40;
/** As in micro.c. */
const RUN_BYTES = 64_400;
const MOST_JOINED = 64;
const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const VXLAN = { vni: 1, sourceMac: MAC, destinationMac: MAC };
const TUNNEL_ROUTES: readonly Prefix[] = [route(0x0a010200), route(0x0a040500)];

/** The operation of that name and size in micro.c. @throws Error if there is none. */
export function referenceOf(name: string, size: number): Operation {
  const make = Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name] : undefined;
  if (make === undefined) throw new Error(`The specification has no '${name}'`);
  return make(size);
}

const OPERATIONS: Readonly<Record<string, (size: number) => Operation>> = {
  checksum: (size) => {
    const bytes = packetOf(size);
    return () => {
      onesComplementSum(bytes);
      return 1;
    };
  },
  'encap vxlan': (size) => tunnelled(packetOf(size), (inner) => encapsulateVxlan(VXLAN, inner)),
  'encap udp': (size) =>
    tunnelled(packetOf(size), (inner, packet) => encapsulateUdp(decrementTtl(inner, packet))),
  'decap vxlan': (size) => {
    const datagram = encapsulateVxlan(VXLAN, packetOf(size));
    return received(() => decapsulateVxlan({ vni: VXLAN.vni, mac: MAC }, datagram));
  },
  'decap udp': (size) => {
    const datagram = packetOf(size);
    return received(() => decapsulateUdp(datagram));
  },
  segmentation: (size) => {
    const bytes = packetOf(HEADER_BYTES + RUN_BYTES);
    const gso = { gsoType: GSO.tcpv4, gsoSize: size - HEADER_BYTES };
    const header = {
      flags: NEEDS_CHECKSUM,
      ...gso,
      headerBytes: HEADER_BYTES,
      checksumStart: 20,
      checksumOffset: 16,
    };
    return () => {
      const packets = segment(header, bytes);
      if (isDropped(packets)) throw new Error(packets.drop);
      return packets.length;
    };
  },
  coalescing: (size) => {
    const count = Math.min(MOST_JOINED, Math.floor(RUN_BYTES / size));
    const packets = Array.from({ length: count }, (_, index) => packetOf(size, index));
    return () => coalesce(packets, { tcp: true, udp: false }).length * count;
  },
  route: (count) => {
    const prefixes = Array.from({ length: count }, (_, index) => route(0x0a000000 + index * 256));
    const address = route(0x0a000000 + (count >> 1) * 256 + 9).subnet;
    return () => {
      longestPrefix(prefixes, address);
      return 1;
    };
  },
};

function tunnelled(inner: Uint8Array, push: (inner: Uint8Array, packet: IpPacket) => Uint8Array): Operation {
  return () => {
    const packet = parse(inner);
    longestPrefix(TUNNEL_ROUTES, destinationAddress(inner, packet));
    encapsulatedTos(packet.tos, false);
    push(inner, packet);
    return 1;
  };
}

function received(decapsulate: () => ReturnType<typeof decapsulateUdp>): Operation {
  return () => {
    const inner = decapsulate();
    if (isDropped(inner)) throw new Error(inner.drop);
    const packet = parse(inner);
    longestPrefix(TUNNEL_ROUTES, sourceAddress(inner, packet));
    decapsulateEcn(inner, packet, 0);
    return 1;
  };
}

function parse(bytes: Uint8Array): IpPacket {
  const packet = parseIpPacket(bytes);
  if (packet === undefined) throw new Error('The benchmark has made no packet');
  return packet;
}

function route(subnet: number): Prefix {
  return { subnet: with32(new Uint8Array(4), 0, subnet), bits: 24 };
}

/** The `index`-th packet of a TCP stream: `bytes` long, checksums good. */
function packetOf(bytes: number, index = 0): Uint8Array {
  const packet = new Uint8Array(bytes).map((_, at) => (at * 31 + (at >> 8)) & 0xff);
  packet.set([0x45, 0, bytes >> 8, bytes & 0xff, 0, index, 0x40, 0, 64, 6, 0, 0, 10, 1, 2, 3, 10, 4, 5, 6]);
  packet.set([3, 0xe8, 7, 0xd0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 1, 0xf4, 0, 0, 0, 0], 20);
  const numbered = with32(packet, 24, index * (bytes - HEADER_BYTES));
  const header = withHeaderChecksum(with16(numbered, 10, 0).slice(0, 20));
  const whole = numbered.slice();
  whole.set(header);
  const summed = withTransportChecksum(whole, parse(whole));
  if (checksumState(summed, parse(summed)) !== 'good')
    throw new Error('The benchmark has made a bad checksum');
  return summed;
}
