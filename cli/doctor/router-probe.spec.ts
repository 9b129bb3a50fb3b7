import assert from 'node:assert/strict';
import type { IpAddress } from '../../lib/address.ts';
import { reportOf } from '../../daemon/probe/report.ts';
import type { EchoResult } from '../../daemon/probe/echo-socket.ts';
import { probeRouter } from './router-probe.ts';

const ADDRESS = '10.5.1.2' as IpAddress;
const LOST: EchoResult = { kind: 'lost' };
const REJECTED: EchoResult = { kind: 'error', error: { kind: 'time-exceeded', by: '10.5.1.1' } };

describe('probe of a router', () => {
  /** A prober whose echoes end as `results`, one after the other. */
  const proberOf = (results: readonly EchoResult[]) => {
    const counts: number[] = [];
    const probe = (address: IpAddress, { count = 3 } = {}) => {
      counts.push(count);
      return Promise.resolve(reportOf(address, [results[counts.length - 1]!]));
    };
    return { prober: { probe }, counts };
  };

  it('asks for one error alone', async () => {
    const { prober, counts } = proberOf([REJECTED]);
    assert.equal((await probeRouter(prober, ADDRESS)).errors.length, 1);
    assert.deepEqual(counts, [1]);
  });

  it('waits until a kernel that answered too often answers once more', async () => {
    const { prober, counts } = proberOf([LOST, LOST, REJECTED]);
    assert.equal((await probeRouter(prober, ADDRESS)).errors.length, 1);
    assert.deepEqual(counts, [1, 1, 1]);
  });

  it('ends without an answer', async () => {
    const { prober } = proberOf([LOST, LOST, LOST]);
    const { received, errors } = await probeRouter(prober, ADDRESS);
    assert.deepEqual([received, errors], [0, []]);
  });
});
