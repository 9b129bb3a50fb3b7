import assert from 'node:assert/strict';
import { highestRates } from './path-loss.ts';

describe('highest rates by loss', () => {
  it('are found to a sixty-fourth of the ceiling', async () => {
    // Loses nothing up to 500 a second, then ever more.
    const lossAt = (rate: number) => Promise.resolve(Math.max(0, (rate - 500) / 100_000));
    const rates = await highestRates(lossAt, 1000, [0.001, 0]);
    const [some, none] = [rates.get(0.001)!, rates.get(0)!];
    assert.ok(some <= 600 && some > 600 - 1000 / 64, `${some}`);
    assert.ok(none <= 500 && none > 500 - 1000 / 64, `${none}`);
  });

  it('are 0 where everything is lost', async () => {
    const rates = await highestRates(() => Promise.resolve(1), 1000, [0.001, 0]);
    assert.deepEqual([...rates.values()], [0, 0]);
  });
});
