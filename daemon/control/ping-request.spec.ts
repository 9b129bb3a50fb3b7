import assert from 'node:assert/strict';
import { ControlError } from './endpoint.ts';
import { parsePingRequest } from './ping-request.ts';

describe('parsePingRequest', () => {
  it('fills in all defaults', () => {
    const defaults = { count: 3, intervalMs: 1000, timeoutMs: 1000, payloadBytes: 56 };
    for (const body of [undefined, null, {}, 7]) assert.deepEqual(parsePingRequest(body), defaults);
  });

  it('keeps given values', () => {
    const request = { peer: 'x', count: 1, intervalMs: 10, timeoutMs: 1, payloadBytes: 0, family: 6 };
    assert.deepEqual(parsePingRequest(request), request);
  });

  for (const [body, message] of [
    [{ peer: '' }, 'peer "": must be a public IP, a subnet, a key, or left out for all peers'],
    [{ peer: 7 }, 'peer 7: must be a public IP, a subnet, a key, or left out for all peers'],
    [{ family: 5 }, 'family 5: must be 4 or 6'],
    [{ count: 0 }, 'count 0: must be an integer from 1 to 100000'],
    [{ count: '3' }, 'count "3": must be an integer from 1 to 100000'],
    [{ intervalMs: 9 }, 'intervalMs 9: must be an integer from 10 to 3600000'],
    [{ timeoutMs: 1.5 }, 'timeoutMs 1.5: must be an integer from 1 to 600000'],
    [{ payloadBytes: 65_488 }, 'payloadBytes 65488: must be an integer from 0 to 65487'],
  ] as const)
    it(`rejects with: ${message}`, () =>
      assert.throws(() => parsePingRequest(body), new ControlError(400, 'bad-ping', message)));
});
