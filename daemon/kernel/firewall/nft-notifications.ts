// Notifications of nftables (nfnetlink, NFNLGRP_NFTABLES): which of our scopes a change may
// concern. Tables of iptables-nft are tables of nftables. A message that is not ours costs the
// decoding of two names.
import { OWN_CHAINS } from '../../../backends/firewall/firewall-iptables.ts';
import { NFT_TABLES } from '../../../backends/firewall/firewall-nft.ts';
import { AF_INET, AF_INET6, NETLINK_NETFILTER, NFNLGRP_NFTABLES } from '../netlink/constants.ts';
import { AttributeTable, forEachMessage, HEADER_BYTES } from '../netlink/message.ts';
import type { NetlinkSocket, OpenSocket } from '../netlink/datagram-socket.ts';
import type { FirewallScope } from './firewall-table.ts';

export interface NftNotificationOptions {
  readonly openSocket: OpenSocket;
  /** A scope changed; `undefined`: any may have changed. */
  readonly onChange: (scope: FirewallScope | undefined) => void;
}

const NFNL_SUBSYS_NFTABLES = 10;
/** Message types come in threes (new, get, delete), in this order (enum nf_tables_msg_types). */
const TRIPLES = ['table', 'chain', 'rule'] as const;
/** Bytes of `struct nfgenmsg`. */
const NFGENMSG_BYTES = 4;
/**
 * The table's name in all three kinds of message (NFTA_TABLE_NAME, NFTA_CHAIN_TABLE,
 * NFTA_RULE_TABLE).
 */
const NFTA_TABLE = 1;
const NFTA_RULE_CHAIN = 2;
const NFTA_CHAIN_NAME = 3;

/** The kernel packs the changes of one transaction into as few datagrams as it can. */
const DATAGRAM_BYTES = 64 * 1024;
const RECEIVE_BYTES = 4 << 20;

/** Opens a socket for notifications. @throws Error with errno if the kernel rejects it. */
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
        const scope = scopeOf(type, datagram, start, end);
        if (scope !== undefined) onChange(scope);
      }),
    onError: () => onChange(undefined),
  });
}

const attributes = new AttributeTable(NFTA_CHAIN_NAME);

/** The scope that a message concerns; `undefined` if none. */
function scopeOf(type: number, buffer: Buffer, start: number, end: number): FirewallScope | undefined {
  const kind = type >> 8 === NFNL_SUBSYS_NFTABLES ? TRIPLES[Math.floor((type & 0xff) / 3)] : undefined;
  const body = start + HEADER_BYTES;
  const family = kind === undefined ? undefined : familyOf(buffer[body]);
  if (family === undefined) return undefined;
  attributes.read(buffer, body + NFGENMSG_BYTES, end);
  const table = attributes.text(NFTA_TABLE);
  if (table === NFT_TABLES[family]) return { engine: 'nft', family };
  const chain =
    kind === 'table' ? undefined : attributes.text(kind === 'chain' ? NFTA_CHAIN_NAME : NFTA_RULE_CHAIN);
  return isIptablesChain(table, chain) ? { engine: 'iptables', family } : undefined;
}

function familyOf(protocolFamily: number | undefined): 4 | 6 | undefined {
  if (protocolFamily === AF_INET) return 4;
  return protocolFamily === AF_INET6 ? 6 : undefined;
}

/** Whether a table (with no chain named) or a chain of it is one that has rules of ours. */
function isIptablesChain(table: string, chain: string | undefined): boolean {
  return OWN_CHAINS.some(
    (own) => own.table === table && (chain === undefined || chain === own.chain || chain === own.from),
  );
}
