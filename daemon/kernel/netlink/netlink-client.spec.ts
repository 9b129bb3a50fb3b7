import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { IpAddress } from '../../../lib/address.ts';
import { encodeAddressDump, encodeAddressSet } from './address.ts';
import {
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
} from './constants.ts';
import { forEachMessage } from './message.ts';
import { KernelReadError, type Outcome } from './outcome.ts';
import { type NetlinkClientOptions, type Request, NetlinkClient } from './netlink-client.ts';
import type { SocketHandlers } from './datagram-socket.ts';

interface Sent {
  readonly sequence: number;
  readonly flags: number;
  /** Interface index in the request, by which tests identify it. */
  readonly index: number;
}

/** A kernel whose answers are those of `answer`, one datagram an element. */
interface FakeKernel {
  answer: (requests: readonly Sent[], handlers: SocketHandlers) => readonly Buffer[];
  sockets: number;
  datagrams: number;
  readonly onSend?: (requests: readonly Sent[]) => void;
  readonly onSendChanges?: (requests: readonly Sent[]) => void;
  /** Answers come once this resolves. */
  readonly isHeld?: Promise<void>;
}

function open(
  fake: FakeKernel,
  options: Pick<NetlinkClientOptions, 'timeoutMs'> = {},
  receiveBytes = 1 << 20,
): NetlinkClient {
  return new NetlinkClient({
    timeoutMs: 50,
    ...options,
    openSocket: (_, handlers) => {
      fake.sockets++;
      let isOpen = true;
      const answerTo = (requests: readonly Sent[]): void => {
        fake.datagrams++;
        fake.onSend?.(requests);
        const answer = (): void => {
          for (const datagram of fake.answer(requests, handlers)) if (isOpen) handlers.onDatagram(datagram);
        };
        setImmediate(() => (fake.isHeld === undefined ? answer() : void fake.isHeld.then(answer)));
      };
      return {
        hasStrictCheck: true,
        receiveBytes,
        send: (bytes) => answerTo(requestsOf(bytes)),
        sendChanges: (bytes) => {
          fake.onSendChanges?.(requestsOf(bytes));
          answerTo(requestsOf(bytes));
        },
        close: () => {
          isOpen = false;
        },
      };
    },
  });
}

function requestsOf(bytes: Buffer): readonly Sent[] {
  const requests: Sent[] = [];
  forEachMessage(bytes, (_type, start) =>
    requests.push({
      sequence: bytes.readUInt32LE(start + 8),
      flags: bytes.readUInt16LE(start + 6),
      index: bytes.readUInt32LE(start + 20),
    }),
  );
  return requests;
}

function message(type: number, flags: number, sequence: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(16 + payload.length);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(flags, 6);
  header.writeUInt32LE(sequence, 8);
  return Buffer.concat([header, payload]);
}

/** NLMSG_ERROR, capped, with a text if one is given. */
function ack(sequence: number, code: number, text = ''): Buffer {
  const payload = Buffer.alloc(20);
  payload.writeInt32LE(code);
  if (text === '') return message(NLMSG_ERROR, NLM_F_CAPPED, sequence, payload);
  const padded = Buffer.alloc((text.length + 1 + 3) & ~3);
  padded.write(text);
  const attribute = Buffer.from([4 + text.length + 1, 0, 1, 0]);
  return message(
    NLMSG_ERROR,
    NLM_F_CAPPED | NLM_F_ACK_TLVS,
    sequence,
    Buffer.concat([payload, attribute, padded]),
  );
}

/** Answers as the kernel does: every rejection, and an ack where one is requested. */
function acknowledge(rejected: ReadonlyMap<number, number> = new Map()): FakeKernel['answer'] {
  return (requests) =>
    requests
      .filter(({ flags, index }) => (flags & NLM_F_ACK) !== 0 || rejected.has(index))
      .map(({ sequence, index }) => ack(sequence, rejected.get(index) ?? 0));
}

const fakeKernel = (answer: FakeKernel['answer']): FakeKernel => ({ answer, sockets: 0, datagrams: 0 });
const request =
  (index: number): Request =>
  (writer) =>
    encodeAddressSet(writer, { index, address: '10.0.0.1' as IpAddress, prefixLength: 32 });
const requests = (count: number): Request[] => Array.from({ length: count }, (_, index) => request(index));
const statuses = (outcomes: readonly Outcome[]): string[] => outcomes.map(({ status }) => status);
const dump: Request = (writer) => encodeAddressDump(writer, 0);
const payloadOf = (buffer: Buffer, start: number): number => buffer.readUInt32LE(start + 16);

function item(sequence: number, value: number, flags = 0): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32LE(value);
  return message(20, flags, sequence, payload);
}

const done = (sequence: number, flags = 0): Buffer => message(NLMSG_DONE, flags, sequence, Buffer.alloc(4));

describe('NetlinkClient', () => {
  it('gives each request its own result, in order, over many datagrams', async () => {
    const fake = fakeKernel(
      acknowledge(
        new Map([
          [0, -17],
          [1234, -101],
          [4999, -2],
        ]),
      ),
    );
    const client = open(fake);
    const outcomes = await client.send(requests(5000));
    const rejected = outcomes.flatMap((outcome, index) =>
      outcome.status === 'rejected' ? [[index, outcome.errno]] : [],
    );
    assert.deepEqual(rejected, [
      [0, 'EEXIST'],
      [1234, 'ENETUNREACH'],
      [4999, 'ENOENT'],
    ]);
    assert.equal(outcomes.length, 5000);
    assert.ok(fake.datagrams <= 20);
  });

  it('sends no more at once than the rejections that the receive buffer can hold', async () => {
    const unanswered = new Map<number, number>();
    let most = 0;
    const fake = fakeKernel((sent, handlers) => {
      unanswered.delete(sent[0]!.sequence);
      return acknowledge()(sent, handlers);
    });
    const onSend = (sent: readonly Sent[]): void => {
      unanswered.set(sent[0]!.sequence, sent.length);
      most = Math.max(
        most,
        [...unanswered.values()].reduce((sum, count) => sum + count, 0),
      );
    };
    await open({ ...fake, onSend }, {}, 20_480).send(requests(100));
    assert.equal(most, 10, 'an answer takes 2 KiB');
  });

  it('has the next datagram of changes at the kernel while this does one, and no third', async () => {
    const fake = fakeKernel(acknowledge());
    const sent: number[] = [];
    const onSend = (each: readonly Sent[]): void => void sent.push(each[0]!.index);
    let answerAll = (): void => undefined;
    const isHeld = new Promise<void>((resolve) => (answerAll = resolve));
    const client = open({ ...fake, onSend, isHeld });
    const batches = [0, 10, 20].map((index) => client.send([request(index)]));
    const list = client.dump('a table', dump, () => undefined);
    await new Promise(setImmediate);
    assert.deepEqual(sent, [0, 10]);
    answerAll();
    await Promise.all(batches);
    assert.deepEqual(sent.slice(0, 3), [0, 10, 20]);
    await assert.rejects(list, KernelReadError);
  });

  it('sends nothing but changes in a thread, and knows the kernel while there is no socket', async () => {
    const fake = fakeKernel(acknowledge());
    const changes: number[] = [];
    const client = open({ ...fake, onSendChanges: (sent) => changes.push(sent[0]!.index) });
    await client.send([request(1)]);
    assert.deepEqual(changes, [1]);
    await client.get(request(2), () => undefined);
    await assert.rejects(
      client.dump('a table', dump, () => undefined),
      KernelReadError,
    );
    assert.deepEqual(changes, [1]);
    assert.equal(client.hasStrictCheck, true, 'the socket was closed, as nothing ended the dump');
  });

  it('puts the text of the kernel into the message', async () => {
    const fake = fakeKernel(([first]) => [
      ack(first!.sequence, -22, 'Invalid prefix for given prefix length'),
    ]);
    const [outcome] = await open(fake).send(requests(1));
    assert.deepEqual(outcome, {
      status: 'rejected',
      errno: 'EINVAL',
      message: 'EINVAL: Invalid prefix for given prefix length (invalid argument)',
    });
  });

  it('ignores answers with a foreign sequence number', async () => {
    const fake = fakeKernel(([first]) => [
      ack(first!.sequence - 1, -1),
      ack(first!.sequence + 7, -1),
      ack(first!.sequence, 0),
    ]);
    assert.deepEqual(statuses(await open(fake).send(requests(1))), ['done']);
  });

  it('reports an unknown outcome without the last answer, except for known rejections, and uses a new socket next', async () => {
    const fake = fakeKernel(([first]) => [ack(first!.sequence, -17)]);
    const client = open(fake);
    assert.deepEqual(statuses(await client.send(requests(3))), ['rejected', 'unknown', 'unknown']);
    fake.answer = acknowledge();
    assert.deepEqual(statuses(await client.send(requests(2))), ['done', 'done']);
    assert.equal(fake.sockets, 2);
  });

  it('reports an unknown outcome right after an overrun', async () => {
    const fake = fakeKernel((_, handlers) => {
      handlers.onError('the receive buffer was full');
      return [];
    });
    const [outcome] = await open(fake, { timeoutMs: 60_000 }).send(requests(1));
    assert.deepEqual(outcome, { status: 'unknown', message: 'the receive buffer was full' });
  });

  it('collects a dump over several datagrams', async () => {
    const fake = fakeKernel(([{ sequence } = { sequence: 0 }]) => [
      Buffer.concat([item(sequence, 1), item(sequence, 2)]),
      Buffer.concat([item(sequence, 3), done(sequence)]),
    ]);
    assert.deepEqual(await open(fake).dump('things', dump, payloadOf), [1, 2, 3]);
  });

  it('keeps concurrent transactions apart', async () => {
    const fake = fakeKernel(([first]) => [
      Buffer.concat([item(first!.sequence, first!.sequence), done(first!.sequence)]),
    ]);
    const client = open(fake);
    const all = await Promise.all([1, 2, 3].map(() => client.dump('things', dump, payloadOf)));
    assert.deepEqual(all, [[1], [2], [3]]);
  });

  for (const where of ['item', 'end'] as const)
    it(`repeats a dump that was interrupted (flag in its ${where})`, async () => {
      let round = 0;
      const fake = fakeKernel(([first]) => {
        const flags = ++round < 3 ? NLM_F_DUMP_INTR : 0;
        const { sequence } = first!;
        return [
          Buffer.concat([
            item(sequence, round, where === 'item' ? flags : 0),
            done(sequence, where === 'end' ? flags : 0),
          ]),
        ];
      });
      assert.deepEqual(await open(fake).dump('things', dump, payloadOf), [3]);
    });

  it('gives up on a dump that is always interrupted', async () => {
    const fake = fakeKernel(([first]) => [done(first!.sequence, NLM_F_DUMP_INTR)]);
    await assert.rejects(open(fake).dump('things', dump, payloadOf), {
      name: 'KernelReadError',
      errno: 'EINTR',
    });
    assert.equal(fake.datagrams, 6);
  });

  it('repeats a dump that lost answers', async () => {
    let round = 0;
    const fake = fakeKernel(([first], handlers) => {
      if (++round === 1) handlers.onError('lost');
      return [item(first!.sequence, round), done(first!.sequence)];
    });
    assert.deepEqual(await open(fake).dump('things', dump, payloadOf), [2]);
  });

  it('fails a dump that the kernel rejects, and names what was read', async () => {
    const fake = fakeKernel(([first]) => [ack(first!.sequence, -1)]);
    await assert.rejects(open(fake).dump('things', dump, payloadOf), (error) => {
      assert.ok(error instanceof KernelReadError);
      assert.equal(error.errno, 'EPERM');
      assert.match(error.message, /things/);
      return true;
    });
  });

  it('ends pending and later requests when it is closed', async () => {
    const fake = fakeKernel(() => []);
    const client = open(fake, { timeoutMs: 60_000 });
    const pending = client.send(requests(1));
    setImmediate(() => client.close());
    assert.deepEqual(statuses(await pending), ['unknown']);
    assert.deepEqual(statuses(await client.send(requests(1))), ['unknown']);
  });
});
