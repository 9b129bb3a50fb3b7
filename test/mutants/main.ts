// Puts small faults into the code, one at a time, and reports those that no spec and no C test notices.
// Usage: node dist/test/mutants/main.js [--sample N] [--seed N] [--list] [FOLDER | FILE]...
import { readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../../lab/package-root.ts';
import { CTree } from './c-tree.ts';
import { JsTree, type Result } from './js-tree.ts';
import { sample, type Candidate } from './mutant.ts';

const FOLDERS = ['lib', 'allocator', 'backends', 'daemon', 'containers', 'cli', 'native'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    list: { type: 'boolean', default: false },
  },
});
const project = packageRoot();
const js = new JsTree(project);
const c = new CTree(project);
const isC = (file: string): boolean => file.endsWith('.c');

function sources(path: string): readonly string[] {
  if (!statSync(join(project, path)).isDirectory()) return [path];
  const names = readdirSync(join(project, path), { recursive: true, encoding: 'utf8' }).toSorted();
  return names.filter(isSource).map((name) => join(path, name));
}

function isSource(name: string): boolean {
  if (/(?:^|\/)(?:fixture|test|build|fuzz|prebuilds|reference|kernel)\b/.test(name) && isC(name))
    return false;
  return isC(name) || (name.endsWith('.ts') && !/\.spec\.ts$|fixture/.test(name));
}

function byFolder(files: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const folders = new Map<string, string[]>();
  for (const file of files) folders.set(dirname(file), [...(folders.get(dirname(file)) ?? []), file]);
  return folders;
}

function test(candidate: Candidate): Result {
  const tree = isC(candidate.file) ? c : js;
  const result = tree.run(candidate);
  const { operator, text } = candidate.mutant;
  if (result === 'survived' || result === 'no spec')
    console.log(`${candidate.place}: ${operator}: ${text.replace(/\s+/g, ' ').slice(0, 100)} (${result})`);
  return result;
}

function score(results: readonly Result[]): string {
  const valid = results.filter((result) => result !== 'invalid');
  const killed = valid.filter((result) => result === 'killed' || result === 'timed out');
  return `${killed.length}/${valid.length} ${valid.length ? Math.round((100 * killed.length) / valid.length) : 100} %`;
}

const all: Result[] = [];
for (const [folder, files] of byFolder((positionals.length > 0 ? positionals : FOLDERS).flatMap(sources))) {
  const candidates = files.flatMap((file) => (isC(file) ? c : js).candidates(file));
  const chosen = sample(candidates, Number(values.sample), Number(values.seed));
  if (values.list)
    for (const { place, mutant } of candidates) console.log(`${place}: ${mutant.operator}: ${mutant.text}`);
  else {
    const results = chosen.map(test);
    all.push(...results);
    console.log(`${folder}: ${score(results)}, ${candidates.length} mutants`);
  }
}
if (!values.list) console.log(`all: ${score(all)}`);
