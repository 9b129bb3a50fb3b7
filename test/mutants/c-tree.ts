// A build of the packet path in which one C source at a time is wrong, and a run of the C tests under sanitizers.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { cMutants } from './c-mutants.ts';
import type { Result } from './js-tree.ts';
import { apply, type Candidate } from './mutant.ts';

const FLAGS = '-std=c11 -D_GNU_SOURCE -w -g -pthread -O1 -fno-omit-frame-pointer'.split(' ');
const SANITIZERS = ['-fno-sanitize-recover=all', '-fsanitize=address,undefined'];
const FOLDERS = ['packet', 'route', 'bpf', 'probe', 'path'].map((name) => `native/${name}`);
const LIMIT_MS = 30_000;

interface Test {
  readonly name: string;
  readonly object: string;
  readonly source: string;
  /** Linker options. */
  readonly wraps: readonly string[];
}

export class CTree {
  readonly #project: string;
  readonly #folder: string;
  #tests: readonly Test[] | undefined;

  constructor(project: string) {
    this.#project = project;
    this.#folder = join(project, `.build/mutants/c-${process.pid}`);
    process.on('exit', () => rmSync(this.#folder, { recursive: true, force: true }));
  }

  candidates(file: string): readonly Candidate[] {
    const text = readFileSync(join(this.#project, file), 'utf8');
    return cMutants(text).map((mutant) => ({
      mutant,
      file,
      place: `${file}:${text.slice(0, mutant.start).split('\n').length}`,
    }));
  }

  run({ file, mutant }: Candidate): Result {
    this.#tests ??= this.#build();
    const source = join(this.#folder, 'mutant.c');
    const object = join(this.#folder, 'mutant.o');
    writeFileSync(source, apply(readFileSync(join(this.#project, file), 'utf8'), mutant));
    // Includes of the same folder are found beside the original.
    if (!this.#gcc([`-I${join(this.#project, file, '..')}`, '-c', '-o', object, source])) return 'invalid';
    for (const test of this.#testsOf(file)) {
      const program = join(this.#folder, 'mutant-test');
      if (!this.#link(test, [object], program)) return 'invalid';
      const result = this.#execute(program);
      if (result !== 'survived') return result;
    }
    return 'survived';
  }

  /** The test of the same name first; a packet function is also used by the tests of the path. */
  #testsOf(file: string): readonly Test[] {
    const name = basename(file, '.c');
    const folder = file.split('/')[1]!;
    const isNear = ({ source }: Test): boolean =>
      folder === 'path' ? /fake-worker\.h|"path\//.test(source) : source.includes(`"${folder}/${name}.h"`);
    const rank = (test: Test): number => Number(!test.name.includes(name)) + Number(!isNear(test));
    return this.#tests!.filter(isNear).toSorted((one, other) => rank(one) - rank(other));
  }

  #build(): readonly Test[] {
    mkdirSync(this.#folder, { recursive: true });
    const objects = FOLDERS.flatMap((folder) =>
      readdirSync(join(this.#project, folder))
        .filter((name) => name.endsWith('.c'))
        .map((name) => {
          const object = join(this.#folder, `${basename(name, '.c')}.o`);
          if (!this.#gcc(['-c', '-o', object, join(folder, name)])) throw new Error(`Cannot compile ${name}`);
          return object;
        }),
    );
    spawnSync('ar', ['rcs', join(this.#folder, 'libpath.a'), ...objects]);
    return readdirSync(join(this.#project, 'native/test'))
      .filter((name) => /^test-(?!.*threads).*\.c$/.test(name))
      .map((name) => this.#buildTest(basename(name, '.c')));
  }

  #buildTest(name: string): Test {
    const object = join(this.#folder, `${name}.o`);
    const source = readFileSync(join(this.#project, `native/test/${name}.c`), 'utf8');
    if (!this.#gcc(['-c', '-o', object, `native/test/${name}.c`])) throw new Error(`Cannot compile ${name}`);
    const kernel = readFileSync(join(this.#project, 'native/test/support/fake-kernel.h'), 'utf8');
    const calls = source.includes('fake-kernel.h"') ? new Set(kernel.match(/(?<=__wrap_)[a-z0-9_]+/g)) : [];
    const test = { name, object, source, wraps: Array.from(calls, (call) => `-Wl,--wrap=${call}`) };
    const program = join(this.#folder, name);
    if (!this.#link(test, [], program) || this.#execute(program) !== 'survived')
      throw new Error(`${name} fails without a mutant`);
    return test;
  }

  #link({ object, wraps }: Test, objects: readonly string[], program: string): boolean {
    return this.#gcc([...wraps, '-o', program, object, ...objects, join(this.#folder, 'libpath.a')]);
  }

  #gcc(args: readonly string[]): boolean {
    const all = [...FLAGS, ...SANITIZERS, '-Inative', ...args];
    return spawnSync(process.env['CC'] ?? 'gcc', all, { cwd: this.#project, stdio: 'ignore' }).status === 0;
  }

  #execute(program: string): Result {
    const { status, error } = spawnSync(program, {
      stdio: 'ignore',
      timeout: LIMIT_MS,
      killSignal: 'SIGKILL',
    });
    return error !== undefined ? 'timed out' : status === 0 ? 'survived' : 'killed';
  }
}
