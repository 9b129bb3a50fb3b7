import assert from 'node:assert/strict';
import type { IpAddress } from '../../lib/address.ts';
import type { NativeEchoSweep } from '../../native/index.ts';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { EchoSweeper } from './echo-sweeper.ts';

const addresses = (...all: readonly string[]): readonly IpAddress[] => all as readonly IpAddress[];

describe('sweep of echoes', () => {
  /** Last bytes of addresses that answer, with their round trips in µs. */
  let answers: Map<number, number>;
  let clock: FakeClock;
  let sent: number;
  let sequences: Set<number>;

  const native: NativeEchoSweep = {
    echoClose: () => undefined,
    echoSweepOpen: (family) => family,
    echoSweepSend: (_fd, _family, _identifier, sequence, _token, _packed, sentUs) => {
      sequences.add(sequence);
      sent += sentUs.length;
      sentUs.fill(1);
    },
    echoSweepRead: (_fd, family, _identifier, _sequence, _token, packed, _sentUs, rttUs) => {
      const bytes = family === 4 ? 4 : 16;
      let count = 0;
      for (let index = 0; index < rttUs.length; index++) {
        const us = answers.get(packed[index * bytes + bytes - 1]!);
        if (us === undefined || !Number.isNaN(rttUs[index]!)) continue;
        rttUs[index] = us;
        count++;
      }
      return count;
    },
  };

  beforeEach(() => {
    [answers, clock, sent, sequences] = [new Map(), new FakeClock(), 0, new Set()];
  });

  async function sweep(sweeper: EchoSweeper, to: readonly IpAddress[]): Promise<number[]> {
    const result = sweeper.sweep(to, 100);
    await clock.advance(200);
    return [...(await result)];
  }

  it('returns round trips in the order of the addresses, of both families, and each for all who share one', async () => {
    answers = new Map([
      [1, 100],
      [3, 300],
    ]);
    const to = addresses('10.0.0.2', 'fd00::3', '10.0.0.1', '10.0.0.1');
    assert.deepEqual(await sweep(new EchoSweeper({ native, clock }), to), [NaN, 0.3, 0.1, 0.1]);
    assert.equal(sent, 3);
  });

  it('knows nothing of the sweep before when the same array is swept again', async () => {
    const sweeper = new EchoSweeper({ native, clock });
    const to = addresses('10.0.0.1', '10.0.0.2');
    answers = new Map([
      [1, 100],
      [2, 200],
    ]);
    assert.deepEqual(await sweep(sweeper, to), [0.1, 0.2]);
    answers = new Map([[2, 400]]);
    assert.deepEqual(await sweep(sweeper, to), [NaN, 0.4]);
    assert.equal(sequences.size, 2);
  });

  it('allocates nothing for an array that it has prepared', async () => {
    const sweeper = new EchoSweeper({ native, clock });
    const to = addresses('10.0.0.1');
    answers = new Map([[1, 100]]);
    const run = async (): Promise<ArrayLike<number>> => {
      const result = sweeper.sweep(to, 100);
      await clock.advance(200);
      return result;
    };
    assert.equal(await run(), await run());
  });
});
