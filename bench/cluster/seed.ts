// Peers that exist only as keys in etcd: writes their leases, and reports when etcd accepted each.
// Run as a process of its own beside etcd: `seed.js URL`, one JSON command a line on standard input, one answer each:
//   {"seed": COUNT}            leases of peers 0..COUNT-1          {"put": INDEX} / {"delete": INDEX}   one of them
// Answer: {"atMs": UNIX_TIME} once etcd acknowledged.
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ConnectionPool } from 'etcd3/lib/connection-pool.js';
import { KVClient } from 'etcd3/lib/rpc.js';
import { ipv4FromNumber } from '../../lib/address.ts';

/** The network that benchmarks use: 65,536 subnets of length 24. */
export const BENCH_CONFIG = '{"Network":"10.0.0.0/8","SubnetLen":24,"Backend":{"Type":"vxlan"}}';

/** Peers take subnets from the upper half of the network, apart from those of real hosts. */
const FIRST_SUBNET = (10 << 24) | (128 << 16);
/** Underlay addresses outside of the lab's own. */
const FIRST_PUBLIC_IP = (100 << 24) | (64 << 16);
const KEYS_PER_TRANSACTION = 100;

export interface FakePeer {
  readonly subnet: string;
  readonly publicIp: string;
  readonly mac: string;
}

/** The n-th peer; all of its values follow from `index`, 0..32767. */
export function fakePeer(index: number): FakePeer {
  const pairs = [index >> 16, (index >> 8) & 255, index & 255].map((byte) =>
    byte.toString(16).padStart(2, '0'),
  );
  return {
    subnet: ipv4FromNumber(FIRST_SUBNET + index * 256),
    publicIp: ipv4FromNumber(FIRST_PUBLIC_IP + index),
    mac: `02:77:65:${pairs.join(':')}`,
  };
}

/** Its lease: the text below `subnets/`, and the value. */
export function leaseOf(index: number): { readonly key: string; readonly value: string } {
  const { subnet, publicIp, mac } = fakePeer(index);
  const value = {
    PublicIP: publicIp,
    PublicIPv6: null,
    BackendType: 'vxlan',
    BackendData: { VNI: 1, VtepMAC: mac },
  };
  return { key: `${subnet}-24`, value: JSON.stringify(value) };
}

function encode(index: number): { key: Buffer; value: Buffer } {
  const { key, value } = leaseOf(index);
  return toPair(key, value);
}

function toPair(key: string, value: string): { key: Buffer; value: Buffer } {
  return { key: Buffer.from(`/coreos.com/network/subnets/${key}`), value: Buffer.from(value) };
}

async function execute(
  kv: KVClient,
  command: { seed?: number; put?: number; delete?: number },
): Promise<void> {
  if (command.put !== undefined) await kv.put(encode(command.put));
  if (command.delete !== undefined) await kv.deleteRange({ key: encode(command.delete).key });
  for (let from = 0; from < (command.seed ?? 0); from += KEYS_PER_TRANSACTION) {
    const count = Math.min(KEYS_PER_TRANSACTION, command.seed! - from);
    const puts = Array.from({ length: count }, (_, index) => ({ request_put: encode(from + index) }));
    await kv.txn({ compare: [], success: puts, failure: [] });
  }
}

/** Puts keys below `subnets/` into etcd, without registry leases. */
export async function putLeases(
  url: string,
  leases: readonly { readonly key: string; readonly value: string }[],
): Promise<void> {
  const pool = new ConnectionPool({ hosts: url });
  const kv = new KVClient(pool);
  for (let from = 0; from < leases.length; from += KEYS_PER_TRANSACTION) {
    const some = leases.slice(from, from + KEYS_PER_TRANSACTION);
    const puts = some.map(({ key, value }) => ({ request_put: toPair(key, value) }));
    await kv.txn({ compare: [], success: puts, failure: [] });
  }
  pool.close();
}

async function main(url: string): Promise<void> {
  const pool = new ConnectionPool({ hosts: url });
  const kv = new KVClient(pool);
  for await (const line of createInterface({ input: process.stdin })) {
    await execute(kv, JSON.parse(line) as object);
    console.log(JSON.stringify({ atMs: performance.timeOrigin + performance.now() }));
  }
  pool.close();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv[2]!);
