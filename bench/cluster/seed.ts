// Peers that exist only as keys in etcd: writes their leases, and reports when etcd accepted each.
// Run as a process of its own beside etcd: `seed.js URL`, one JSON command a line on standard input, one answer each:
//   {"seed": COUNT}            leases of peers 0..COUNT-1          {"put": INDEX} / {"delete": INDEX}   one of them
// Answer: {"atMs": UNIX_TIME} once etcd acknowledged.
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { EtcdClient } from '../../allocator/registry/etcd/client.ts';
import { resolveEtcdOptions } from '../../allocator/registry/etcd/options.ts';
import type { PutRequest, TxnRequest } from '../../allocator/registry/etcd/wire/messages.ts';
import { ipv4FromNumber } from '../../lib/address.ts';

/** The network that benchmarks use: 65,536 subnets of length 24. */
export const BENCH_CONFIG = '{"Network":"10.0.0.0/8","SubnetLen":24,"Backend":{"Type":"vxlan"}}';

/** Peers take subnets from the upper half of the network, apart from those of real hosts. */
const FIRST_SUBNET = (10 << 24) | (128 << 16);
/** Underlay addresses outside of the lab's own. */
const FIRST_PUBLIC_IP = (100 << 24) | (64 << 16);
const KEYS_PER_TRANSACTION = 100;
const PREFIX = '/coreos.com/network';
const CALL = { name: 'seed', scope: PREFIX, isRepeatable: true };

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

function encode(index: number): PutRequest {
  const { key, value } = leaseOf(index);
  return toPair(key, value);
}

function toPair(key: string, value: string): PutRequest {
  return { key: Buffer.from(`${PREFIX}/subnets/${key}`), value: Buffer.from(value) };
}

/** etcd at one address, for simple writes. */
class Store {
  readonly #client: EtcdClient;

  constructor(url: string) {
    this.#client = new EtcdClient(resolveEtcdOptions({ endpoints: [url], prefix: PREFIX }));
  }

  put(request: PutRequest): Promise<unknown> {
    return this.#client.unary(CALL, undefined, (rpc) => rpc.put(request));
  }

  remove(key: Buffer): Promise<unknown> {
    return this.#client.unary(CALL, undefined, (rpc) => rpc.deleteRange({ key }));
  }

  txn(request: TxnRequest): Promise<unknown> {
    return this.#client.unary(CALL, undefined, (rpc) => rpc.txn(request));
  }

  close(): void {
    this.#client.close();
  }
}

async function execute(
  store: Store,
  command: { seed?: number; put?: number; delete?: number },
): Promise<void> {
  if (command.put !== undefined) await store.put(encode(command.put));
  if (command.delete !== undefined) await store.remove(encode(command.delete).key);
  for (let from = 0; from < (command.seed ?? 0); from += KEYS_PER_TRANSACTION) {
    const count = Math.min(KEYS_PER_TRANSACTION, command.seed! - from);
    await store.txn({
      success: Array.from({ length: count }, (_, index) => ({ request_put: encode(from + index) })),
    });
  }
}

/** Puts keys below `subnets/` into etcd, without registry leases. */
export async function putLeases(
  url: string,
  leases: readonly { readonly key: string; readonly value: string }[],
): Promise<void> {
  const store = new Store(url);
  for (let from = 0; from < leases.length; from += KEYS_PER_TRANSACTION) {
    const some = leases.slice(from, from + KEYS_PER_TRANSACTION);
    await store.txn({ success: some.map(({ key, value }) => ({ request_put: toPair(key, value) })) });
  }
  store.close();
}

async function main(url: string): Promise<void> {
  const store = new Store(url);
  for await (const line of createInterface({ input: process.stdin })) {
    await execute(store, JSON.parse(line) as object);
    console.log(JSON.stringify({ atMs: performance.timeOrigin + performance.now() }));
  }
  store.close();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv[2]!);
