import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import type { IpAddress } from '../../lib/address.ts';
import type { EchoAnswer, NativeEcho } from '../../native/index.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { EchoSocket, type EchoResult } from './echo-socket.ts';

const PEER = '10.5.72.0' as IpAddress;
const PACKET_BYTES = 84;

/** A network whose answers a test sets. */
class FakeNetwork implements NativeEcho {
  readonly sequences: number[] = [];
  readonly answers: EchoAnswer[] = [];
  sendError: string | undefined;
  isClosed = false;

  echoOpen(): number {
    return 7;
  }

  echoSetTtl(): void {
    assert.fail('no test sets a TTL');
  }

  echoSend(_fd: number, _address: string, _identifier: number, sequence: number): number {
    if (this.sendError !== undefined) throw Object.assign(new Error('rejected'), { code: this.sendError });
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

  it('counts a reply that came in time although the poll is late', async () => {
    send();
    network.answer({ timeUs: 1_900_000 });
    await clock.jump(30_000);
    assert.deepEqual(result, { kind: 'reply', rttMs: 900 });
  });

  for (const [what, answer] of [
    ['nothing', undefined],
    ['a reply from another address', { from: '10.5.73.0' }],
    ['a reply to another echo', { sequence: 0x10000 }],
    ['a reply without the token', { hasToken: false }],
    ['a reply that came too late', { timeUs: 2_000_001 + 1000 }],
    ['an error about an echo to another address', { kind: 'error', from: '198.18.0.1', to: '10.5.73.0' }],
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

  it('names the router that rejects a packet as too large', async () => {
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

  it('names the MTU of the device if this host rejects a packet', async () => {
    network.sendError = 'EMSGSIZE';
    network.answer({ kind: 'local', to: PEER, mtu: 1450 });
    send();
    await clock.settle();
    assert.deepEqual(result, { kind: 'error', error: { kind: 'too-big', mtu: 1450 } });
  });

  it('has the reason of an echo that was not sent', async () => {
    network.sendError = 'ENETUNREACH';
    send();
    await clock.settle();
    const error = { kind: 'not-sent', code: 'ENETUNREACH', message: 'rejected' };
    assert.deepEqual(result, { kind: 'error', error });
  });

  it('resolves awaited echoes as lost when it is closed, and closes once', async () => {
    send();
    socket.close();
    socket.close();
    await clock.settle();
    assert.deepEqual(result, { kind: 'lost' });
    assert.equal(clock.pendingTimers, 0);
    assert.deepEqual(await socket.send(PEER, PACKET_BYTES, 1000), { kind: 'lost' });
  });
});
