// What the kernel says about changes of nftables (nfnetlink, NFNLGRP_NFTABLES): only which of our parts a change may concern.
// Tables of iptables are tables of nftables where iptables is built on it. What is not ours costs a look at two names.
import { OWN_CHAINS } from '../../../backends/firewall-iptables.ts';
import { NFT_TABLES } from '../../../backends/firewall-nft.ts';
import { AF_INET, AF_INET6, NETLINK_NETFILTER, NFNLGRP_NFTABLES } from '../netlink/constants.ts';
import { AttributeTable, forEachMessage, HEADER_BYTES } from '../netlink/message.ts';
import type { NetlinkSocket, OpenSocket } from '../netlink/socket.ts';
import type { FirewallScope } from './firewall-table.ts';

export interface NftNotificationOptions {
  readonly openSocket: OpenSocket;
  /** A part changed, or with `undefined`, nobody knows what. */
  readonly onChange: (part: FirewallScope | undefined) => void;
}

const NFNL_SUBSYS_NFTABLES = 10;
/** Message types come in threes (new, get, delete), in this order. */
const TRIPLES = ['table', 'chain', 'rule'] as const;
const NFGENMSG_BYTES = 4;
/** In all three kinds of message the first attribute is the table's name. */
const NFTA_TABLE = 1;
const NFTA_RULE_CHAIN = 2;
const NFTA_CHAIN_NAME = 3;

/** The kernel packs what one transaction changed into as few datagrams as it can. */
const DATAGRAM_BYTES = 64 * 1024;
const RECEIVE_BYTES = 4 << 20;

/** Opens a socket for notifications. @throws Error with errno if the kernel refuses. */
export function openNftNotifications({ openSocket, onChange }: NftNotificationOptions): NetlinkSocket {
  const settings = {
    protocol: NETLINK_NETFILTER,
    groups: [NFNLGRP_NFTABLES],
    datagramBytes: DATAGRAM_BYTES,
    receiveBytes: RECEIVE_BYTES,
  };
  return openSocket(settings, {
    onDatagram: (datagram) =>
      forEachMessage(datagram, (type, start, end) => {
        const part = partOf(type, datagram, start, end);
        if (part !== undefined) onChange(part);
      }),
    onError: () => onChange(undefined),
  });
}

const attributes = new AttributeTable(NFTA_CHAIN_NAME);

/** Which of our parts a message concerns. */
function partOf(type: number, buffer: Buffer, start: number, end: number): FirewallScope | undefined {
  const kind = type >> 8 === NFNL_SUBSYS_NFTABLES ? TRIPLES[Math.floor((type & 0xff) / 3)] : undefined;
  const body = start + HEADER_BYTES;
  const family = kind === undefined ? undefined : familyOf(buffer[body]);
  if (family === undefined) return undefined;
  attributes.read(buffer, body + NFGENMSG_BYTES, end);
  const table = attributes.text(NFTA_TABLE);
  if (table === NFT_TABLES[family]) return { engine: 'nft', family };
  const chain =
    kind === 'table' ? undefined : attributes.text(kind === 'chain' ? NFTA_CHAIN_NAME : NFTA_RULE_CHAIN);
  return isOfIptables(table, chain) ? { engine: 'iptables', family } : undefined;
}

function familyOf(protocolFamily: number | undefined): 4 | 6 | undefined {
  if (protocolFamily === AF_INET) return 4;
  return protocolFamily === AF_INET6 ? 6 : undefined;
}

/** Whether a table (with no chain named) or a chain of it is one that has rules of ours. */
function isOfIptables(table: string, chain: string | undefined): boolean {
  return OWN_CHAINS.some(
    (own) => own.table === table && (chain === undefined || chain === own.chain || chain === own.from),
  );
}
