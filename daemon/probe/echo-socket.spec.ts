import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import type { IpAddress } from '../../lib/address.ts';
import type { EchoAnswer, NativeEcho } from '../../native/index.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { EchoSocket, type EchoResult } from './echo-socket.ts';

const PEER = '10.5.72.0' as IpAddress;
const PACKET_BYTES = 84;

/** A network that answers when a test says so. */
class FakeNetwork implements NativeEcho {
  readonly sequences: number[] = [];
  readonly answers: EchoAnswer[] = [];
  refusal: string | undefined;
  isClosed = false;

  echoOpen(): number {
    return 7;
  }

  echoSetTtl(): void {
    assert.fail('nobody asked for it');
  }

  echoSend(_fd: number, _address: string, _identifier: number, sequence: number): number {
    if (this.refusal !== undefined) throw Object.assign(new Error('refused'), { code: this.refusal });
    this.sequences.push(sequence);
    return 1_000_000;
  }

  echoRead(): readonly EchoAnswer[] {
    return this.answers.splice(0);
  }

  echoClose(): void {
    assert.equal(this.isClosed, false);
    this.isClosed = true;
  }

  answer(answer: Partial<EchoAnswer>): void {
    const reply = { kind: 'reply', from: PEER, bytes: 64, timeUs: 1_000_250, hasToken: true } as const;
    this.answers.push({
      ...reply,
      sequence: this.sequences.at(-1) ?? 0,
      type: 0,
      code: 0,
      mtu: 0,
      ...answer,
    });
  }
}

describe('echo socket', () => {
  let clock: FakeClock;
  let network: FakeNetwork;
  let socket: EchoSocket;
  let result: EchoResult | undefined;

  beforeEach(() => {
    clock = new FakeClock();
    network = new FakeNetwork();
    socket = new EchoSocket({ native: network, clock, family: 4 });
    result = undefined;
  });

  const send = (): void => {
    void socket.send(PEER, PACKET_BYTES, 1000).then((known) => (result = known));
  };

  it('measures from the kernel’s times', async () => {
    send();
    network.answer({});
    await clock.advance(500);
    assert.deepEqual(result, { kind: 'reply', rttMs: 0.25 });
  });

  it('counts a reply that was there in time, although the process looks late', async () => {
    send();
    network.answer({ timeUs: 1_900_000 });
    await clock.jump(30_000);
    assert.deepEqual(result, { kind: 'reply', rttMs: 900 });
  });

  for (const [what, answer] of [
    ['nothing', undefined],
    ['a reply of somebody else', { from: '10.5.73.0' }],
    ['a reply to another echo', { sequence: 0x10000 }],
    ['a reply without the token', { hasToken: false }],
    ['a reply that came too late', { timeUs: 2_000_001 + 1000 }],
    ['an error about an echo to somebody else', { kind: 'error', from: '198.18.0.1', to: '10.5.73.0' }],
  ] as const)
    it(`is lost after the time-out with ${what}`, async () => {
      send();
      if (answer) network.answer(answer);
      await clock.advance(990);
      assert.equal(result, undefined);
      await clock.advance(50);
      assert.deepEqual(result, { kind: 'lost' });
      assert.equal(clock.pendingTimers, 0);
    });

  it('tells who says that a packet is too large', async () => {
    send();
    network.answer({
      kind: 'error',
      from: '198.18.0.1',
      to: PEER,
      type: 3,
      code: 4,
      mtu: 1400,
      hasToken: false,
    });
    await clock.advance(10);
    assert.deepEqual(result, { kind: 'error', error: { kind: 'too-big', by: '198.18.0.1', mtu: 1400 } });
  });

  it('tells the MTU of the device of what the own kernel refuses', async () => {
    network.refusal = 'EMSGSIZE';
    network.answer({ kind: 'local', to: PEER, mtu: 1450 });
    send();
    await clock.settle();
    assert.deepEqual(result, { kind: 'error', error: { kind: 'too-big', mtu: 1450 } });
  });

  it('tells why an echo was not sent', async () => {
    network.refusal = 'ENETUNREACH';
    send();
    await clock.settle();
    const error = { kind: 'not-sent', code: 'ENETUNREACH', message: 'refused' };
    assert.deepEqual(result, { kind: 'error', error });
  });

  it('gives up what is awaited when it is closed, and is closed once', async () => {
    send();
    socket.close();
    socket.close();
    await clock.settle();
    assert.deepEqual(result, { kind: 'lost' });
    assert.equal(clock.pendingTimers, 0);
    assert.deepEqual(await socket.send(PEER, PACKET_BYTES, 1000), { kind: 'lost' });
  });
});
