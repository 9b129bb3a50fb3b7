// The fields of `Backend` that the backend wireguard has, as JSON Schema.

/** A key of 32 bytes in base64, or empty for none. */
const KEY_PATTERN = '^([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)?$';
const PORT_COMMENT = 'a UDP port has 16 bits';

/** Fields that no other backend has. */
export const wireguardProperties = {
  PSK: {
    title: 'Preshared key',
    description:
      'Key that all hosts share beside their own, 32 bytes in base64 (openssl rand -base64 32). Empty or left out: none. wireguard only.',
    type: ['string', 'null'],
    pattern: KEY_PATTERN,
    writeOnly: true,
    examples: ['AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE='],
  },
  ListenPort: {
    title: 'UDP port of the IPv4 device',
    description:
      'UDP port of flannel-wg, which every host publishes. With a Mode other than separate it is that of both families. wireguard only.',
    type: ['integer', 'null'],
    default: 51_820,
    minimum: 1,
    maximum: 65_535,
    examples: [51_820],
    $comment: PORT_COMMENT,
  },
  ListenPortV6: {
    title: 'UDP port of the IPv6 device',
    description:
      'UDP port of flannel-wg-v6, which every host publishes. With Mode separate and IPv6 on, another one than ListenPort. wireguard only.',
    type: ['integer', 'null'],
    default: 51_821,
    minimum: 1,
    maximum: 65_535,
    examples: [51_821],
    $comment: PORT_COMMENT,
  },
  Mode: {
    title: 'Underlay of the tunnels',
    description:
      'separate: a device a family, each over its own underlay. ipv4, ipv6: one device for both, over that underlay. auto: one device for both, over IPv4 where it needs no NAT, else over IPv6. wireguard only.',
    type: ['string', 'null'],
    enum: ['separate', 'auto', 'ipv4', 'ipv6', null],
    default: 'separate',
    examples: ['separate', 'ipv6'],
  },
  PersistentKeepaliveInterval: {
    title: 'Keepalive in seconds',
    description:
      'How often a host sends to a peer that has nothing to receive, so that a NAT between them keeps its mapping. 0: never. wireguard only.',
    type: ['integer', 'null'],
    default: 0,
    minimum: 0,
    maximum: 65_535,
    examples: [25],
    $comment: 'WireGuard has 16 bits for it',
  },
  KeyEpoch: {
    title: 'Generation of keys',
    description:
      'Another number gives every host another key, without packet loss: weft wireguard rotate adds one. flannel ignores it. wireguard only.',
    type: ['integer', 'null'],
    default: 0,
    minimum: 0,
    maximum: 1_000_000_000,
    examples: [1],
    $comment: 'it is part of the name of the key file',
  },
  RotateAfter: {
    title: 'Age of keys in seconds',
    description:
      'Gives every host another key after so many seconds, at the same wall time. 0: never. flannel ignores it. wireguard only.',
    type: ['integer', 'null'],
    default: 0,
    minimum: 0,
    maximum: 1_000_000_000,
    examples: [2_592_000],
    $comment: 'less than 60 is taken as 60',
  },
} as const;

/** Where the backend wireguard differs in fields that it shares with others. */
export const wireguardMtu = {
  title: 'Underlay MTU in bytes',
  description:
    "MTU of the network between the hosts, to derive the containers' from: 60 bytes less over IPv4, 80 over IPv6. Left out: the MTU of each host's interface.",
  type: ['integer', 'null'],
  minimum: 128,
  maximum: 65_535,
  examples: [1500, 9000],
  $comment: 'WireGuard takes 60 bytes and IPv4 needs 68 (RFC 791)',
} as const;
