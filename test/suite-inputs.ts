// What the result of a suite depends on: the files that it imports or starts, the programs under test, tools and kernel.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

/** A path in quotes: an import, or a script that is started as another process. */
const SCRIPT = /['"`]([\w./-]+\.js)['"`]/g;

/** Files and folders that each suite depends on: how it is started, and the addon with the C that tests of it use. */
const COMMON = [
  '.mocharc.json',
  'native/build/weft-oracle.node',
  'native/build/weft.node',
  ...['bpf', 'cni', 'packet', 'path', 'probe', 'route', 'src', 'test'].map((folder) => `native/${folder}`),
  'package-lock.json',
  'test/fixtures',
  'test/in-namespaces.sh',
];
const PROGRAMS = [
  'bin',
  'containers',
  'deploy',
  ...['bench', 'cli', 'lab'].map((folder) => `dist/${folder}`),
  'dist/weft-client.cjs',
  'dist/weft-cni',
  'dist/weft-cni.cjs',
  'dist/weft-daemon.cjs',
  'dist/weft.mjs',
  'package.json',
];
/** Read by suites that say so. */
const TEXTS = ['docs', 'README.md', 'CHANGELOG.md', 'Makefile'];
/** They find files of the project, but no program of it: their tools are among the common files. */
const WITHOUT_PROGRAMS = [
  'dist/lab/package-root.js',
  'dist/lab/tools.js',
  'dist/test/support/path/packet-oracle.js',
];

/** A compiled file with all that it imports or starts, in order of their names. */
export function scriptsOf(file: string): readonly string[] {
  const found = new Set<string>();
  const visit = (path: string): void => {
    if (found.has(path)) return;
    found.add(path);
    for (const [, name] of readFileSync(path, 'utf8').matchAll(SCRIPT)) {
      const next = join(dirname(path), name!);
      if (existsSync(next)) visit(next);
    }
  };
  visit(join(file));
  return [...found].toSorted();
}

/** Files and folders that the result of a compiled suite depends on, all relative to the project. */
export function inputsOf(suite: string): readonly string[] {
  const scripts = scriptsOf(suite);
  const startsPrograms = scripts.some(
    (path) => !WITHOUT_PROGRAMS.includes(path) && readFileSync(path, 'utf8').includes('packageRoot'),
  );
  const readsTexts = readFileSync(suite, 'utf8').includes('docs');
  return [...scripts, ...COMMON, ...(startsPrograms ? PROGRAMS : []), ...(readsTexts ? TEXTS : [])];
}

/** SHA-256, in hex, of the contents and names of files and of all files in folders. What is absent counts as absent. */
export function digestOf(paths: readonly string[], remarks: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify(remarks));
  const add = (path: string): void => {
    if (!existsSync(path)) return;
    if (statSync(path).isDirectory())
      return readdirSync(path)
        .toSorted()
        .forEach((name) => add(join(path, name)));
    const content = createHash('sha256').update(readFileSync(path)).digest('hex');
    hash.update(`${path}\n${content}\n`);
  };
  paths.forEach(add);
  return hash.digest('hex');
}

/** Variables that suites and labs read. */
const VARIABLE = /^(AS_ROOT|RESTARTS|KUBE_.*|PATH_.*|WEFT_.*)$/;

/** Runtime, kernel, user, variables, and size and date of each tool that is installed. */
export function environmentOf(tools: readonly string[]): readonly string[] {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const describe = (tool: string): string => {
    const file = folders.map((folder) => join(folder, tool)).find((path) => existsSync(path));
    if (file === undefined) return tool;
    const { size, mtimeMs } = statSync(file);
    return `${tool} ${size} ${mtimeMs}`;
  };
  const variables = Object.entries(process.env).filter(([name]) => VARIABLE.test(name));
  const machine = [process.version, release(), String(process.getuid?.())];
  return [...machine, ...variables.map((pair) => pair.join('=')).toSorted(), ...tools.map(describe)];
}
