// The highest rate at which no more than a share of packets is lost, found by halving (RFC 2544 §26.1). Pure but for the trials.

const TRIALS = 6;

/**
 * For each loss of `losses` (shares from 0 to 1, falling): the highest rate of a trial within that loss; 0 without one.
 * `lossAt` makes a trial at a rate; no rate above `ceiling` is tried. What one loss was tried with serves the next.
 */
export async function highestRates(
  lossAt: (rate: number) => Promise<number>,
  ceiling: number,
  losses: readonly number[],
): Promise<Map<number, number>> {
  const trials: { readonly rate: number; readonly loss: number }[] = [];
  const rates = new Map<number, number>();
  let upper = ceiling;
  for (const limit of losses) {
    let lower = Math.max(0, ...trials.filter(({ loss }) => loss <= limit).map(({ rate }) => rate));
    for (let trial = 0; trial < TRIALS; trial++) {
      const rate = (lower + upper) / 2;
      const loss = await lossAt(rate);
      trials.push({ rate, loss });
      if (loss <= limit) lower = rate;
      else upper = rate;
    }
    rates.set(limit, lower);
    // A smaller loss needs no higher rate than a larger one.
    upper = lower;
  }
  return rates;
}
