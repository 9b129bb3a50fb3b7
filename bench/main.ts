// `make bench`, or `node dist/bench/main.js NAME...`: runs benchmarks one after another, each with a line when it starts.
// Labs need namespaces; run it through test/in-namespaces.sh or as root.
import { benchAllocate } from './allocate.ts';
import { benchConverge } from './converge.ts';
import { benchRepair } from './repair.ts';
import { report, type BenchResult } from './report.ts';

const BENCHES: Readonly<Record<string, () => Promise<BenchResult>>> = {
  allocate: () => benchAllocate(),
  converge: () => benchConverge(),
  repair: () => benchRepair(),
};

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(BENCHES);
for (const name of names) {
  const bench = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
  if (!bench) {
    console.error(`There is no benchmark '${name}': give some of ${Object.keys(BENCHES).join(', ')}`);
    process.exit(2);
  }
  console.log(`… ${name}`);
  await report(await bench());
}
