import assert from 'node:assert/strict';
import { toPingRequest, type PingArgs } from './ping-args.ts';
import { UsageError } from '../usage-error.ts';

describe('arguments of weft ping', () => {
  const NONE: PingArgs = {
    count: undefined,
    interval: undefined,
    timeout: undefined,
    size: undefined,
    ipv4: false,
    ipv6: false,
    all: false,
  };

  it('become a request', () => {
    const args = { ...NONE, count: '5', interval: '0.2', timeout: '2', size: '0', ipv6: true };
    assert.deepEqual(toPingRequest('198.18.1.2', args), {
      peer: '198.18.1.2',
      count: 5,
      intervalMs: 200,
      timeoutMs: 2000,
      payloadBytes: 0,
      family: 6,
    });
  });

  for (const [peer, args, message] of [
    [undefined, {}, /needs one peer/],
    ['198.18.1.2', { all: true }, /or --all/],
    ['198.18.1.2', { ipv4: true, ipv6: true }, /-4 or -6/],
    ['198.18.1.2', { count: 'x' }, /-c "x": must be a number of echoes/],
    ['198.18.1.2', { interval: '1s' }, /-i "1s": must be seconds/],
    ['198.18.1.2', { timeout: '-1' }, /-W "-1"/],
    ['198.18.1.2', { size: '1e3' }, /-s "1e3": must be a number of bytes/],
  ] as const)
    it(`are rejected: ${String(message)}`, () => {
      assert.throws(
        () => toPingRequest(peer, { ...NONE, ...args }),
        (error: Error) => error instanceof UsageError && message.test(error.message),
      );
    });
});
