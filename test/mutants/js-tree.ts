// A copy of the compiled tree in which one file at a time is wrong, and a run of the specs that may notice.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { join } from 'node:path';
import { jsMutants } from './js-mutants.ts';
import { apply, type Candidate } from './mutant.ts';
import { SpecFinder } from './specs-of.ts';

/** Of one spec without a mutant: a slower one costs more than it finds. */
const BASELINE_LIMIT_MS = 60_000;
/** A spec that hangs counts as one that fails: this many times as long as without the mutant. */
const LIMIT_FACTOR = 4;
const MIN_LIMIT_MS = 20_000;

const UNPRIVILEGED_USER = '--reuid=65534 --regid=65534 --clear-groups --bounding-set=-all';

export type Result = 'killed' | 'survived' | 'timed out' | 'no spec' | 'invalid';

export class JsTree {
  readonly #root: string;
  readonly #finder: SpecFinder;
  readonly #durationsMs = new Map<string, number | undefined>();

  constructor(project: string) {
    this.#root = join(project, `.build/mutants/js-${process.pid}`);
    process.on('exit', () => rmSync(this.#root, { recursive: true, force: true }));
    mkdirSync(join(this.#root, 'tmp'), { recursive: true });
    chmodSync(join(this.#root, 'tmp'), 0o1777);
    for (const name of readdirSync(project))
      if (!/^(?:dist|\.build|\.git)$/.test(name)) symlinkSync(join(project, name), join(this.#root, name));
    cpSync(join(project, 'dist'), join(this.#root, 'dist'), { recursive: true });
    const specs = readdirSync(join(project, 'dist'), { recursive: true, encoding: 'utf8' });
    const isUnit = (name: string): boolean => name.endsWith('.spec.js') && !name.startsWith('test/');
    this.#finder = new SpecFinder(join(this.#root, 'dist'), specs.filter(isUnit).toSorted());
  }

  /** Candidates of a source file (`daemon/metrics/metric.ts`). */
  candidates(source: string): readonly Candidate[] {
    const file = source.replace(/\.ts$/, '.js');
    const path = join(this.#root, 'dist', file);
    if (!existsSync(path)) return [];
    const text = readFileSync(path, 'utf8');
    const map = new SourceMap(JSON.parse(readFileSync(`${path}.map`, 'utf8')) as SourceMapPayload);
    return jsMutants(text).map((mutant) => ({
      mutant,
      file,
      place: `${source}:${lineOf(text, mutant.start, map)}`,
    }));
  }

  run({ file, mutant }: Candidate): Result {
    const specs = this.#finder.specsOf(file).filter((spec) => this.#durationMs(spec) !== undefined);
    if (specs.length === 0) return 'no spec';
    const path = join(this.#root, 'dist', file);
    const original = readFileSync(path, 'utf8');
    writeFileSync(path, apply(original, mutant));
    try {
      // The nearest one alone: most mutants die there, and little is loaded for it.
      const nearest = this.#mocha(specs.slice(0, 1), this.#limitMs(specs.slice(0, 1)));
      if (nearest !== 'survived' || specs.length === 1) return nearest;
      return this.#mocha(specs.slice(1), this.#limitMs(specs.slice(1)));
    } finally {
      writeFileSync(path, original);
    }
  }

  #limitMs(specs: readonly string[]): number {
    const usualMs = specs.reduce((sum, spec) => sum + this.#durationMs(spec)!, 0);
    return Math.max(MIN_LIMIT_MS, Math.ceil(LIMIT_FACTOR * usualMs));
  }

  /** Of a spec without a mutant; `undefined` for one that is left out, as it is too slow or fails. */
  #durationMs(spec: string): number | undefined {
    if (!this.#durationsMs.has(spec)) {
      const startMs = performance.now();
      const result = this.#mocha([spec], BASELINE_LIMIT_MS);
      const isUsable = result === 'survived';
      if (!isUsable) console.log(`Without ${spec}: ${result} without a mutant`);
      this.#durationsMs.set(spec, isUsable ? performance.now() - startMs : undefined);
    }
    return this.#durationsMs.get(spec);
  }

  /** Without privileges and network: what a mutant breaks is its own. */
  #mocha(specs: readonly string[], limitMs: number): Result {
    const mocha = [
      'node',
      'node_modules/mocha/bin/mocha.js',
      '--bail',
      '--exit',
      '--fail-zero',
      '--timeout',
      '10000',
    ];
    const args = [...UNPRIVILEGED, ...mocha, ...specs.map((spec) => join('dist', spec))];
    const { status, error } = spawnSync(args[0]!, args.slice(1), {
      cwd: this.#root,
      env: { ...process.env, TMPDIR: join(this.#root, 'tmp') },
      stdio: 'ignore',
      timeout: limitMs,
      killSignal: 'SIGKILL',
    });
    return error !== undefined ? 'timed out' : status === 0 ? 'survived' : 'killed';
  }
}

/** Root gives its identity up; an ordinary user has nothing to give. */
const UNPRIVILEGED =
  process.getuid?.() === 0
    ? ['unshare', '--net', 'sh', '-c', `ip link set lo up && exec setpriv ${UNPRIVILEGED_USER} -- "$@"`, 'sh']
    : [];

function lineOf(text: string, offset: number, map: SourceMap): number {
  const before = text.slice(0, offset).split('\n');
  const entry = map.findEntry(before.length - 1, before.at(-1)!.length);
  return 'originalLine' in entry ? entry.originalLine + 1 : 0;
}
