// `make bench`, or `node dist/bench/main.js NAME... [OPTION...]`: runs benchmarks one after another, each with a line when it
// starts; options are for benchmarks that take some.
// Labs need namespaces; run it through test/in-namespaces.sh or as root.
import { benchAllocate } from './allocate.ts';
import { benchBoot } from './boot.ts';
import { benchCni } from './cni.ts';
import { benchConfig } from './config.ts';
import { benchConverge } from './converge.ts';
import { benchIdle } from './idle.ts';
import { benchPath } from './path.ts';
import { benchRepair } from './repair.ts';
import { report, type BenchResult } from './report.ts';

const words = process.argv.slice(2);
const firstOption = words.findIndex((word) => word.startsWith('-'));
const options = firstOption < 0 ? [] : words.slice(firstOption);
const given = firstOption < 0 ? words : words.slice(0, firstOption);

const BENCHES: Readonly<Record<string, () => Promise<BenchResult>>> = {
  allocate: () => benchAllocate(),
  boot: () => benchBoot(),
  cni: () => benchCni(),
  config: () => benchConfig(),
  converge: () => benchConverge(),
  idle: () => benchIdle(),
  path: () => benchPath(options),
  repair: () => benchRepair(),
};

const names = given.length > 0 ? given : Object.keys(BENCHES);
for (const name of names) {
  const bench = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
  if (!bench) {
    console.error(`There is no benchmark '${name}': give some of ${Object.keys(BENCHES).join(', ')}`);
    process.exit(2);
  }
  console.log(`… ${name}`);
  await report(await bench());
}
