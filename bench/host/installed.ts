// weft as it is installed: its bundle laid out as packages do, in a folder of its own, for benchmarks that measure the whole program.
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { weftProgram } from '../../lab/daemon-command.ts';
import { packageRoot } from '../../lab/package-root.ts';

/** What an installation consists of; `make bundle` makes it. */
export const BUNDLE = ['dist/weft.mjs', 'dist/weft-daemon.cjs', 'dist/addons'] as const;

/** @throws Error with the remedy if one of `builds` is missing below `root`. */
export function requireBuilds(benchmark: string, builds: readonly string[], root = packageRoot()): void {
  for (const file of builds.map((name) => join(root, name)))
    if (!existsSync(file)) throw new Error(`${benchmark} needs ${file}: run make bundle`);
}

/** Lays the bundle out, with a folder for compiled code. @returns its folder, which the caller removes */
export function installBundle(): string {
  const folder = mkdtempSync(join(tmpdir(), 'weft-installed-'));
  const from = (path: string) => join(packageRoot(), path);
  mkdirSync(join(folder, 'cache'), { mode: 0o700 });
  cpSync(from('dist/weft.mjs'), join(folder, 'weft.mjs'));
  cpSync(from('dist/weft-daemon.cjs'), join(folder, 'weft-daemon.cjs'));
  cpSync(from('dist/addons'), join(folder, 'addons'), { recursive: true });
  cpSync(from('bin/weft'), join(folder, 'bin/weft'));
  return folder;
}

/** The project's own many files, started although there is a bundle. @returns the program's folder, which the caller removes */
export function installFiles(): string {
  const folder = mkdtempSync(join(tmpdir(), 'weft-files-'));
  cpSync(join(packageRoot(), 'bin/weft'), join(folder, 'bin/weft'));
  symlinkSync(join(packageRoot(), 'bin/start.mjs'), join(folder, 'bin/start.mjs'));
  return folder;
}

/** Runs `use` with the path of the program of a fresh installation. */
export async function withInstalled<Result>(
  use: (program: string) => Promise<Result>,
  install = installBundle,
): Promise<Result> {
  const folder = install();
  try {
    return await use(join(folder, 'bin/weft'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * The daemon keeps compiled code in the installation, so that its second start is like that of a host.
 * Command prefix that starts `program` in place of the lab's, wherever the command names that; `first` is a shell command that
 * runs before it.
 */
export function insteadOf(program: string, first = ':'): string[] {
  const replace = 'for each; do [ "$each" != "$old" ] || each=$new; set -- "$@" "$each"; shift; done';
  const cache =
    'CACHE_DIRECTORY=$(readlink -f "$new"); export CACHE_DIRECTORY="${CACHE_DIRECTORY%/bin/weft}/cache"';
  const script = `${first}; old=$1 new=$2; shift 2; ${cache}; ${replace}; exec "$@"`;
  return ['sh', '-c', script, 'sh', weftProgram(), program];
}

/** Two installations and a link that leads to one of them: what an upgrade changes. */
export class Installations {
  readonly #folders = [installBundle(), installBundle()] as const;
  readonly #links = mkdtempSync(join(tmpdir(), 'weft-link-'));
  #current = 1;

  constructor() {
    this.upgrade();
  }

  /** Path of the program, whichever is installed. */
  get program(): string {
    return join(this.#links, 'weft');
  }

  /** What starts from now on is the other installation. */
  upgrade(): void {
    this.#current = 1 - this.#current;
    const next = `${this.program}.next`;
    symlinkSync(join(this.#folders[this.#current]!, 'bin/weft'), next);
    renameSync(next, this.program);
  }

  remove(): void {
    for (const folder of [...this.#folders, this.#links]) rmSync(folder, { recursive: true, force: true });
  }
}
