// Loaded by `make fuzz`: the default number of runs of property tests.
import { configureGlobal } from 'fast-check';

configureGlobal({ numRuns: Number(process.env['WEFT_FUZZ_RUNS'] ?? 5000) });
