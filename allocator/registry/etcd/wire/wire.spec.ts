// The reference is protobufjs with etcd's own protocol files.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as fc from 'fast-check';
import protobuf from 'protobufjs';
import { decodeLease, decodeList, decodeRange, decodeTxn, decodeWatch } from './decode.ts';
import { encodeAuthenticate, encodeLease, encodeTxn, encodeWatch } from './encode.ts';
import type { TxnRequest } from './messages.ts';
import { ProtoReader } from './proto-reader.ts';

const OPTIONS = { longs: String, enums: String, defaults: true };

describe('messages of etcd', () => {
  let root: protobuf.Root;
  before(() => {
    const folder = join(dirname(createRequire(import.meta.url).resolve('etcd3/package.json')), 'proto');
    root = new protobuf.Root();
    root.resolvePath = (_origin, target) => join(folder, target.split('/').pop()!);
    root.loadSync('rpc.proto', { keepCase: true });
  });

  function encodeAs(type: string, message: object): Buffer {
    const found = root.lookupType(type);
    return Buffer.from(found.encode(found.fromObject(message)).finish());
  }

  function decodeAs(type: string, bytes: Buffer): Record<string, unknown> {
    const found = root.lookupType(type);
    return found.toObject(found.decode(bytes), OPTIONS);
  }

  const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
  const count = fc.maxSafeNat();
  const bytes = fc.uint8Array({ maxLength: 200 }).map((value) => Buffer.from(value));
  const pair = fc.record({
    key: bytes,
    value: bytes,
    lease: int64,
    mod_revision: count,
    version: count,
    create_revision: count,
  });

  it('are read as the reference reads them: a list inside of a transaction', () => {
    const range = fc.record({ kvs: fc.array(pair, { maxLength: 5 }), count, more: fc.boolean() });
    fc.assert(
      fc.property(range, count, fc.boolean(), (list, revision, succeeded) => {
        const header = { revision, cluster_id: '18446744073709551615', raft_term: 7 };
        const responses = [
          { response_range: { header, ...list } },
          { response_txn: { succeeded, responses: [{ response_range: list }] } },
          { response_put: { header } },
        ];
        const answer = decodeTxn(encodeAs('etcdserverpb.TxnResponse', { header, succeeded, responses }));
        const kvs = list.kvs.map(({ key, value, lease, mod_revision }) => ({
          key,
          value,
          lease,
          mod_revision,
        }));
        const read = { header: { revision: 0 }, kvs, count: list.count };
        assert.deepEqual(answer, {
          header: { revision },
          succeeded,
          responses: [
            { response_range: { ...read, header: { revision } } },
            { response_txn: { header: { revision: 0 }, succeeded, responses: [{ response_range: read }] } },
            {},
          ],
        });
      }),
    );
  });

  it('are read as the reference reads them: two ranges, whose pairs are read later', () => {
    const range = fc.record({ kvs: fc.array(pair, { maxLength: 5 }), count, more: fc.boolean() });
    fc.assert(
      fc.property(range, range, count, (first, second, revision) => {
        const header = { revision, cluster_id: '18446744073709551615', raft_term: 7 };
        const lists = [first, second];
        const responses = lists.map((list) => ({ response_range: { header, ...list } }));
        const encoded = encodeAs('etcdserverpb.TxnResponse', { header, succeeded: true, responses });
        const answer = decodeList(encoded);
        assert.equal(answer.header.revision, revision);
        const whole = decodeTxn(encoded).responses.map(({ response_range }) => response_range);
        assert.deepEqual(
          answer.ranges.map((each) => [[...each.kvs], each.count]),
          whole.map((each) => [each.kvs, each.count]),
        );
      }),
    );
  });

  it('are read as the reference reads them: events and leases', () => {
    const event = fc.record({ type: fc.constantFrom('Put', 'Delete'), kv: pair });
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 4 }),
        int64,
        int64,
        fc.boolean(),
        fc.string(),
        (events, id, TTL, flag, text) => {
          const message = {
            watch_id: id,
            created: flag,
            canceled: !flag,
            compact_revision: 5,
            cancel_reason: text,
            events,
          };
          const watch = decodeWatch(encodeAs('etcdserverpb.WatchResponse', message));
          assert.deepEqual(
            {
              ...watch,
              events: watch.events.map(({ type, kv: { lease, key } }) => [type, lease, key.toString('hex')]),
            },
            {
              header: { revision: 0 },
              watch_id: id,
              created: flag,
              canceled: !flag,
              compact_revision: 5,
              cancel_reason: Buffer.from(text).toString(),
              events: events.map(({ type, kv: { lease, key } }) => [type, lease, key.toString('hex')]),
            },
          );
          const lease = decodeLease(encodeAs('etcdserverpb.LeaseKeepAliveResponse', { ID: id, TTL }));
          assert.deepEqual(lease, { header: { revision: 0 }, ID: id, TTL: Number(TTL) });
        },
      ),
    );
  });

  it('are written so that the reference reads what was meant', () => {
    fc.assert(
      fc.property(bytes, bytes, int64, count, (key, value, lease, revision) => {
        const request: TxnRequest = {
          compare: [
            { key, target: 'Version', result: 'Equal', version: 0 },
            { key, target: 'Mod', result: 'Equal', mod_revision: revision },
          ],
          success: [
            { request_put: { key, value, lease } },
            {
              request_range: {
                key,
                range_end: value,
                revision,
                sort_order: 'Ascend',
                sort_target: 'Key',
                keys_only: true,
                min_mod_revision: revision,
              },
            },
          ],
          failure: [{ request_txn: { success: [{ request_delete_range: { key } }] } }],
        };
        assert.deepEqual(
          decodeAs('etcdserverpb.TxnRequest', encodeTxn(request)),
          decodeAs('etcdserverpb.TxnRequest', encodeAs('etcdserverpb.TxnRequest', request)),
        );
      }),
    );
  });

  it('are written so that the reference reads what was meant: streams and users', () => {
    fc.assert(
      fc.property(bytes, count, int64, fc.string(), (key, revision, id, text) => {
        const create = { key, range_end: key, start_revision: revision, progress_notify: true };
        const watch = decodeAs('etcdserverpb.WatchRequest', encodeWatch({ create_request: create }));
        const { create_request: read } = watch as { create_request: typeof create };
        assert.deepEqual(
          [read.key, read.start_revision, read.progress_notify],
          [key, String(revision), true],
        );
        assert.deepEqual(decodeAs('etcdserverpb.LeaseRevokeRequest', encodeLease({ ID: id })), { ID: id });
        const user = { name: Buffer.from(text).toString(), password: 'p' };
        assert.deepEqual(decodeAs('etcdserverpb.AuthenticateRequest', encodeAuthenticate(user)), { ...user });
      }),
    );
    assert.ok(
      'progress_request' in decodeAs('etcdserverpb.WatchRequest', encodeWatch({ progress_request: {} })),
    );
  });

  it('are refused where they are cut off or damaged, and never read beyond their end', () => {
    const whole = encodeAs('etcdserverpb.RangeResponse', {
      header: { revision: 300 },
      kvs: [{ key: Buffer.from('key'), value: Buffer.from('value'), lease: '7', mod_revision: 200 }],
      count: 1,
    });
    for (let length = 1; length < whole.length; length++) {
      const read = (): unknown => decodeRange(whole.subarray(0, length));
      // Between two fields nothing shows that there were more.
      if (length === 5 || length === whole.length - 2) read();
      else assert.throws(read, RangeError, `${length} of ${whole.length} bytes`);
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (garbage) => {
        try {
          decodeTxn(Buffer.from(garbage));
        } catch (error) {
          assert.ok(error instanceof RangeError, String(error));
        }
      }),
    );
  });

  it('skip what is unknown', () => {
    const fields = Buffer.from([
      0x78, 0x05, 0x79, 1, 2, 3, 4, 5, 6, 7, 8, 0x7a, 1, 9, 0x7d, 1, 2, 3, 4, 0x20, 3,
    ]);
    assert.equal(decodeRange(fields).count, 3);
    const group = new ProtoReader(Buffer.from([0x7b]));
    assert.equal(group.next(), 15);
    assert.throws(() => group.skip(), RangeError);
  });
});
