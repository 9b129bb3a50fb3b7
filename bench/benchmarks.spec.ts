import assert from 'node:assert/strict';
import { execFileSync, type ExecFileSyncOptionsWithStringEncoding } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../lab/package-root.ts';
import { BENCHMARKS } from './benchmarks.ts';
import { requireBuilds } from './host/installed.ts';

/** Files by the rule that makes them, where that has another name. */
const RULES: Readonly<Record<string, string>> = {
  'dist/weft.mjs': 'dist/.bundled',
  'dist/addons': 'dist/.bundled',
};

/** All that `make bench` makes, as make itself reads its rules. */
function targetsOfBench(): ReadonlySet<string> {
  const args = ['-C', packageRoot(), '--no-print-directory', '-npq', 'bench'];
  const options: ExecFileSyncOptionsWithStringEncoding = {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  };
  let database: string;
  try {
    database = execFileSync('make', args, options);
  } catch (error) {
    // 1: there is something to make.
    database = (error as { stdout: string }).stdout;
  }
  const needs = new Map(
    [...database.matchAll(/^([\w./-]+):(?!=) ?(.*)$/gm)].map(([, target, rest]) => [
      target!,
      rest!.split(/[ |]+/),
    ]),
  );
  const found = new Set<string>();
  const visit = (target: string): void => {
    if (found.has(target)) return;
    found.add(target);
    for (const each of needs.get(target) ?? []) visit(each);
  };
  visit('bench');
  return found;
}

describe('the benchmarks', () => {
  it('run only what make bench has built', () => {
    const targets = targetsOfBench();
    assert.ok(targets.has('bundle'));
    for (const [name, { builds = [] }] of Object.entries(BENCHMARKS))
      for (const file of builds) assert.ok(targets.has(RULES[file] ?? file), `${name}: ${file}`);
  });

  it('name all builds that their files mention', () => {
    const text = (file: string): string => readFileSync(join(packageRoot(), 'bench', file), 'utf8');
    const installing = ['cluster', 'host'].flatMap((folder) =>
      readdirSync(join(packageRoot(), 'bench', folder))
        .map((name) => `${folder}/${name}`)
        .filter(
          (file) =>
            !/spec\.ts$|host\/installed\.ts$/.test(file) && /withInstalled|Installations/.test(text(file)),
        ),
    );
    const names = installing.map((file) => file.replace(/^\w+\/([\w-]+)\.ts$/, '$1'));
    for (const name of [...names, 'cni'])
      assert.ok(BENCHMARKS[name]?.builds?.includes('dist/weft.mjs'), `${name} names no build`);
  });

  it('do not begin without a build, and say how to make it', () => {
    const root = mkdtempSync(join(tmpdir(), 'weft-bench-'));
    const message = `boot needs ${join(root, 'dist/weft.mjs')}: run make bundle`;
    assert.throws(() => requireBuilds('boot', ['dist/weft.mjs'], root), { message });
    rmSync(root, { recursive: true });
  });
});
