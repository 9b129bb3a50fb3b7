// Loaded by `make fuzz`: property tests that do not say how often they run, run this often.
import { configureGlobal } from 'fast-check';

configureGlobal({ numRuns: Number(process.env['WEFT_FUZZ_RUNS'] ?? 5000) });
