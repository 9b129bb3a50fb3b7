// The network config document as JSON Schema: the one place for names, types, defaults and bounds
// of its fields. The parser reads them from here; rules between fields (a subnet inside its
// network, say) are the parser's own.
import { wireguardMtu, wireguardProperties } from './wireguard-schema.ts';

export type JsonType = 'object' | 'string' | 'integer' | 'boolean' | 'null';

/** What the parser uses of a field's schema. `$comment` says why the bounds are what they are. */
export interface FieldSchema {
  readonly title: string;
  readonly description: string;
  /** Left out: anything, as the field is ignored. */
  readonly type?: JsonType | readonly JsonType[];
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly examples?: readonly unknown[];
  readonly deprecated?: boolean;
  /** A secret: no message may show it. */
  readonly writeOnly?: boolean;
  readonly $comment?: string;
}

const IPV4 = String.raw`(\d{1,3}\.){3}\d{1,3}`;
const IPV6 = '[0-9a-fA-F:.]{2,45}';
const WINDOWS_ONLY = 'Used by flannel on Windows only. Ignored, with a warning.';

const backendProperties = {
  Type: {
    title: 'Backend type',
    description:
      'How packets get from host to host. vxlan: VXLAN in the kernel, works across routers. host-gw: plain routes, all hosts in one layer-2 network. udp: bare packets in UDP, in userspace, works across routers. wireguard: encrypted, works across routers. alloc: leases subnets and moves no packets. extension: commands of yours make what leads to peers. ipip: IP in IP in the kernel, IPv4 alone, works across routers. ipsec: ESP tunnels in the kernel, keys by strongSwan, IPv4 alone. tencent-vpc: routes of Tencent Cloud. In any letter case.',
    type: 'string',
    enum: ['vxlan', 'host-gw', 'udp', 'wireguard', 'alloc', 'extension', 'ipip', 'ipsec', 'tencent-vpc'],
    examples: ['vxlan'],
  },
  VNI: {
    title: 'VXLAN network identifier',
    description:
      'Separates VXLAN networks that share an underlay, and names the device: flannel.<VNI>. At most 9999 if IPv6 is on, whose device is flannel-v6.<VNI>. vxlan only.',
    type: ['integer', 'null'],
    default: 1,
    minimum: 1,
    maximum: 9_999_999,
    examples: [1, 4096],
    $comment: 'the device flannel.<VNI> must keep to the 15 characters of an interface name',
  },
  Port: {
    title: 'UDP port',
    description:
      "UDP port that all hosts receive on. vxlan: 0 means the kernel's default, 8472; the port that IANA assigned is 4789. udp: 1 or more, left out 8285.",
    type: ['integer', 'null'],
    default: 0,
    minimum: 0,
    maximum: 65_535,
    examples: [8472, 4789],
    $comment: "a UDP port has 16 bits, and 0 stands for the kernel's default, 8472",
  },
  MTU: {
    title: 'Underlay MTU in bytes',
    description:
      "MTU of the network between the hosts, to derive the containers' from: 50 bytes less for IPv4, 70 less for IPv6; 28 and 48 with udp, 60 and 80 with wireguard. Left out: the MTU of each host's interface. At least 1350 if IPv6 is on; 1328 with udp, 1360 with wireguard.",
    type: ['integer', 'null'],
    minimum: 118,
    maximum: 65_535,
    examples: [1500, 9000],
    $comment:
      'VXLAN takes 50 bytes and IPv4 needs 68 (RFC 791), and udp keeps to the same bound; leave it out to use the MTU of each interface',
  },
  Learning: {
    title: 'Learn MAC addresses',
    description:
      'Lets the VXLAN device learn addresses from packets as well. Needed by nothing here; on if foreign VTEPs share the VNI. Nothing in userspace. vxlan only.',
    type: ['boolean', 'null'],
    default: false,
    examples: [false],
  },
  GBP: {
    title: 'VXLAN group policy',
    description:
      'Carries packet marks in the VXLAN header (group based policy extension). All hosts must agree. Nothing in userspace. vxlan only.',
    type: ['boolean', 'null'],
    default: false,
    examples: [false],
  },
  DirectRouting: {
    title: 'Direct routing',
    description:
      'Reaches peers in the same layer-2 network by a plain route, like host-gw, and tunnels to the others only. vxlan and ipip only.',
    type: ['boolean', 'null'],
    default: false,
    examples: [true],
  },
  Userspace: {
    title: 'Encapsulation in userspace',
    description:
      'Encapsulates in the daemon instead of the kernel; other hosts see no difference. true: on all hosts. false: on none. auto, with vxlan: where the kernel has no VXLAN. auto, with udp: on hosts that check the source of packets, which the kernel does not, and where the kernel has no FOU. vxlan and udp only.',
    type: ['boolean', 'string', 'null'],
    enum: [true, false, 'auto', null],
    default: 'auto',
    examples: ['auto', true],
  },
  TxChecksumOffload: {
    title: 'Checksums by the device',
    description:
      'Whether hosts leave the checksums of packets in the tunnel to network devices, some of which get them wrong: then pings pass and TCP does not. auto: nothing is touched until a host finds by probes that they come out wrong, and then it turns tx-checksum-ip-generic of its VXLAN device off. on, off: kept so on every host. Nothing in userspace. vxlan only.',
    type: ['string', 'null'],
    enum: ['auto', 'on', 'off', null],
    default: 'auto',
    examples: ['auto', 'off'],
  },
  PreStartupCommand: {
    title: 'Command before the lease',
    description:
      'Runs once on each host before it takes its lease; what it prints is published as the backend data of the host. extension only.',
    type: ['string', 'null'],
    examples: ['/usr/local/bin/my-network-id'],
  },
  PostStartupCommand: {
    title: 'Command after the lease',
    description:
      'Runs once on each host when it has its lease, with NETWORK, SUBNET, IPV6SUBNET, PUBLIC_IP and PUBLIC_IPV6 of the host. extension only.',
    type: ['string', 'null'],
    examples: ['/usr/local/bin/my-network-up'],
  },
  ShutdownCommand: {
    title: 'Command when the host leaves',
    description:
      'Runs once on each host when it leaves this backend, and not when the daemon stops. flannel ignores it. extension only.',
    type: ['string', 'null'],
    examples: ['/usr/local/bin/my-network-down'],
  },
  SubnetAddCommand: {
    title: 'Command for a new peer',
    description:
      'Runs once for each peer, with its SUBNET and PUBLIC_IP, and its backend data as standard input. extension only.',
    type: ['string', 'null'],
    examples: ['ip route replace $SUBNET via $PUBLIC_IP'],
  },
  SubnetRemoveCommand: {
    title: 'Command for a peer that left',
    description:
      'Runs once for each peer that has left, with the values of its SubnetAddCommand. extension only.',
    type: ['string', 'null'],
    examples: ['ip route del $SUBNET via $PUBLIC_IP'],
  },
  PSK: {
    title: 'Pre-shared key',
    description: 'Key by which all hosts authenticate each other, 96 characters or more. ipsec only.',
    type: 'string',
    minLength: 96,
    examples: ['0123456789abcdef'.repeat(6)],
  },
  UDPEncap: {
    title: 'ESP in UDP',
    description:
      'Puts ESP into UDP, port 4500, also where no NAT is found. All hosts must agree. ipsec only.',
    type: ['boolean', 'null'],
    default: false,
    examples: [true],
  },
  ESPProposal: {
    title: 'ESP proposal',
    description: "Algorithms of the tunnels, in strongSwan's notation. All hosts must agree. ipsec only.",
    type: ['string', 'null'],
    default: 'aes128gcm16-sha256-prfsha256-ecp256',
    examples: ['aes128gcm16-sha256-prfsha256-ecp256'],
  },
  AccessKeyID: {
    title: 'ID of an access key',
    description:
      'SecretId of a key of Tencent Cloud that may read and write route tables. Left out: ACCESS_KEY_ID in the environment of the daemon. tencent-vpc only.',
    type: ['string', 'null'],
    examples: ['AKIDEXAMPLE'],
  },
  AccessKeySecret: {
    title: 'Secret of that access key',
    description:
      'SecretKey of that key. Every reader of etcd can read it here. Left out: ACCESS_KEY_SECRET in the environment of the daemon. tencent-vpc only.',
    type: ['string', 'null'],
    examples: ['EXAMPLE'],
  },
  Shell: {
    title: 'Run commands by a shell',
    description:
      'Runs the commands by /bin/sh, as flannel did before 0.28.2. Without it, a command is split at white space, and variables are replaced. flannel ignores it. extension only.',
    type: ['boolean', 'null'],
    default: false,
    examples: [true],
  },
  MacPrefix: { title: 'MAC prefix', description: WINDOWS_ONLY, deprecated: true },
  Name: { title: 'Network name', description: WINDOWS_ONLY, deprecated: true },
} as const;

/** Fields of the backend vxlan. */
const vxlanProperties = {
  VNI: true,
  Port: true,
  MTU: true,
  Learning: true,
  GBP: true,
  DirectRouting: true,
  Userspace: true,
  TxChecksumOffload: true,
  MacPrefix: true,
  Name: true,
} as const;

/** Where the backend udp differs in fields that it shares with vxlan. */
const udpProperties = {
  Port: {
    title: 'UDP port',
    description: 'UDP port that all hosts receive on. No host publishes its own.',
    type: ['integer', 'null'],
    default: 8285,
    minimum: 1,
    maximum: 65_535,
    examples: [8285],
    $comment: 'a UDP port has 16 bits; leave it out for 8285',
  },
} as const;

/** Admits the fields of `fields`, whose own schemas hold anyway. */
function admit<Name extends string>(fields: Readonly<Record<Name, unknown>>): Record<Name, true> {
  return Object.fromEntries(Object.keys(fields).map((name) => [name, true])) as Record<Name, true>;
}

const properties = {
  EnableIPv4: {
    title: 'IPv4 on',
    description: 'Gives every host an IPv4 subnet. At least one of EnableIPv4 and EnableIPv6 must be on.',
    type: ['boolean', 'null'],
    default: true,
    examples: [true],
  },
  EnableIPv6: {
    title: 'IPv6 on',
    description:
      'Gives every host an IPv6 subnet. Turning it on or off later gives every host other subnets.',
    type: ['boolean', 'null'],
    default: false,
    examples: [false],
  },
  EnableNFTables: {
    title: 'Use nftables',
    description:
      'Writes masquerading and forwarding rules with nftables (true) or iptables (false). Unset: weft takes nftables where it works, flannel takes iptables.',
    type: ['boolean', 'null'],
    examples: [true],
  },
  Network: {
    title: 'IPv4 network',
    description:
      'IPv4 network of all containers, /8 to /28. Needed unless EnableIPv4 is false. Must not overlap any network that hosts or containers talk to.',
    type: 'string',
    pattern: String.raw`^${IPV4}/\d{1,2}$`,
    examples: ['10.5.0.0/16'],
  },
  SubnetLen: {
    title: 'Prefix length of IPv4 subnets',
    description:
      "Size of each host's subnet: at least the network's prefix length + 2, at most 30. 0 or left out: 24 for networks up to /22, else the network's prefix length + 2.",
    type: ['integer', 'null'],
    default: 0,
    minimum: 0,
    maximum: 30,
    examples: [24],
    $comment: 'a /30 is the smallest subnet with room for containers, and 0 means derived',
  },
  SubnetMin: {
    title: 'First IPv4 subnet',
    description:
      'First subnet that hosts may get. 0.0.0.0 or left out: the second subnet of the network, so that the one of the network address stays free.',
    type: 'string',
    pattern: `^${IPV4}$`,
    examples: ['10.5.1.0'],
  },
  SubnetMax: {
    title: 'Last IPv4 subnet',
    description:
      'First address of the last subnet that hosts may get. 0.0.0.0 or left out: the last of the network.',
    type: 'string',
    pattern: `^${IPV4}$`,
    examples: ['10.5.255.0'],
  },
  IPv6Network: {
    title: 'IPv6 network',
    description: 'IPv6 network of all containers, /7 to /124. Needed if EnableIPv6 is true.',
    type: 'string',
    pattern: String.raw`^${IPV6}/\d{1,3}$`,
    examples: ['fd00::/48'],
  },
  IPv6SubnetLen: {
    title: 'Prefix length of IPv6 subnets',
    description:
      "Size of each host's subnet: at least the network's prefix length + 2, at most 126. 0 or left out: 64 for networks up to /62, else the network's prefix length + 2.",
    type: ['integer', 'null'],
    default: 0,
    minimum: 0,
    maximum: 126,
    examples: [64],
    $comment: 'a /126 is the smallest subnet with room for containers, and 0 means derived',
  },
  IPv6SubnetMin: {
    title: 'First IPv6 subnet',
    description: 'First subnet that hosts may get. Null, :: or left out: the second subnet of the network.',
    type: ['string', 'null'],
    pattern: `^${IPV6}$`,
    examples: ['fd00:0:0:1::'],
  },
  IPv6SubnetMax: {
    title: 'Last IPv6 subnet',
    description:
      'First address of the last subnet that hosts may get. Null, :: or left out: the last of the network.',
    type: ['string', 'null'],
    pattern: `^${IPV6}$`,
    examples: ['fd00:0:0:ffff::'],
  },
  Backend: {
    title: 'Backend',
    description:
      'How packets get from host to host, with its settings. Left out: vxlan with all defaults, but write it out where flannel nodes share the network, as they take udp.',
    type: 'object',
    // Of two backends, each with bounds of its own.
    properties: { ...wireguardProperties, ...backendProperties, PSK: { type: ['string', 'null'] } },
    required: ['Type'],
    additionalProperties: false,
    oneOf: [
      {
        properties: { Type: { const: 'vxlan' }, ...vxlanProperties },
        additionalProperties: false,
      },
      { properties: { Type: { const: 'udp' }, MTU: true, ...udpProperties }, additionalProperties: false },
      {
        properties: {
          ...admit(wireguardProperties),
          Type: { const: 'wireguard' },
          MTU: wireguardMtu,
          PSK: wireguardProperties.PSK,
        },
        additionalProperties: false,
      },
      { properties: { Type: { enum: ['host-gw', 'alloc'] } }, additionalProperties: false },
      { properties: { Type: { const: 'ipip' }, DirectRouting: true }, additionalProperties: false },
      {
        properties: {
          Type: { const: 'ipsec' },
          PSK: backendProperties.PSK,
          UDPEncap: true,
          ESPProposal: true,
        },
        required: ['PSK'],
        additionalProperties: false,
      },
      {
        properties: { Type: { const: 'tencent-vpc' }, AccessKeyID: true, AccessKeySecret: true },
        additionalProperties: false,
      },
      {
        properties: {
          Type: { const: 'extension' },
          PreStartupCommand: true,
          PostStartupCommand: true,
          ShutdownCommand: true,
          SubnetAddCommand: true,
          SubnetRemoveCommand: true,
          Shell: true,
        },
        additionalProperties: false,
      },
    ],
    examples: [
      { Type: 'vxlan' },
      { Type: 'vxlan', VNI: 7, DirectRouting: true },
      { Type: 'host-gw' },
      { Type: 'udp' },
      { Type: 'wireguard' },
    ],
  },
} as const;

const IS_IPV4_OFF = { properties: { EnableIPv4: { const: false } }, required: ['EnableIPv4'] } as const;
const IS_IPV6_ON = { properties: { EnableIPv6: { const: true } }, required: ['EnableIPv6'] } as const;

/**
 * JSON Schema (2020-12) of the document below `<prefix>/config`. Readers match names in any letter
 * case; it shows them as written.
 */
export const networkConfigSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'urn:weft:network-config',
  title: 'Network config of weft',
  description: 'One JSON document in etcd that all hosts of a network read; the same as flannel reads.',
  type: 'object',
  properties,
  additionalProperties: false,
  allOf: [
    { anyOf: [{ required: ['Network'] }, IS_IPV4_OFF] },
    { anyOf: [{ required: ['IPv6Network'] }, { not: IS_IPV6_ON }] },
    { anyOf: [{ not: IS_IPV4_OFF }, IS_IPV6_ON] },
  ],
  examples: [
    { Network: '10.5.0.0/16', Backend: { Type: 'vxlan' } },
    {
      Network: '10.5.0.0/16',
      EnableIPv6: true,
      IPv6Network: 'fd00::/48',
      Backend: { Type: 'vxlan', DirectRouting: true },
    },
  ],
} as const;

/** Names of the document's own fields and of those inside `Backend`, as written in the schema. */
export type NetworkFieldName = keyof typeof properties;
export type BackendFieldName = keyof typeof backendProperties | keyof typeof wireguardProperties;
export const networkFields: Readonly<Record<NetworkFieldName, FieldSchema>> = properties;
/** Fields of `Backend` as the backend vxlan has them, and those of no other. */
export const backendFields: Readonly<Record<keyof typeof backendProperties, FieldSchema>> = backendProperties;
/** Fields that only the backend wireguard has. */
export const wireguardOnlyFields: Readonly<Record<keyof typeof wireguardProperties, FieldSchema>> =
  wireguardProperties;
/** All fields of `Backend`. */
export const allBackendFields: Readonly<Record<BackendFieldName, FieldSchema>> = {
  ...wireguardProperties,
  ...backendProperties,
};
/** Fields of `Backend` as the backend wireguard has them. */
export const wireguardBackendFields: Readonly<Record<BackendFieldName, FieldSchema>> = {
  ...allBackendFields,
  ...wireguardProperties,
  MTU: wireguardMtu,
};
/** Fields of `Backend` as the backend udp has them. */
export const udpBackendFields: Readonly<Record<BackendFieldName, FieldSchema>> = {
  ...allBackendFields,
  ...udpProperties,
};
