// Loaded by `make fuzz`: the default number of runs of property tests, and no time limits. A walk of
// any length may be slow; the limits of `make test` in specs and suites do not apply.
import { configureGlobal } from 'fast-check';
import Mocha from 'mocha';

configureGlobal({ numRuns: Number(process.env['WEFT_FUZZ_RUNS'] ?? 5000) });

for (const { prototype } of [Mocha.Suite, Mocha.Context, Mocha.Runnable]) {
  // Reading the limit stays possible.
  const { timeout } = prototype as { timeout: (this: unknown, ms?: number | string) => unknown };
  Object.assign(prototype, {
    timeout(this: unknown, ...limit: readonly unknown[]): unknown {
      return limit.length === 0 ? timeout.call(this) : timeout.call(this, 0);
    },
  });
}
