// How much longer than on a real processor everything may take: WEFT_TIME_SCALE, which an emulated machine sets
// (test/kernel/run.sh). Deadlines of labs and tests are multiplied by it; weft itself does not know it.

/** Factor of every deadline, 1 by default. */
export const TIME_SCALE = Math.max(1, Number(process.env['WEFT_TIME_SCALE'] ?? 1) || 1);
