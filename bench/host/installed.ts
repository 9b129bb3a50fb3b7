// weft as it is installed: its bundle laid out as packages do, in a folder of its own, for benchmarks that measure the whole program.
import { cpSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { weftProgram } from '../../lab/daemon-command.ts';
import { packageRoot } from '../../lab/package-root.ts';

/** Lays the bundle out; `make bundle` has made it. @returns its folder, which the caller removes */
export function installBundle(): string {
  const folder = mkdtempSync(join(tmpdir(), 'weft-installed-'));
  const from = (path: string) => join(packageRoot(), path);
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
 * Command prefix that starts `program` in place of the lab's, wherever the command names that; `first` is a shell command that
 * runs before it.
 */
export function insteadOf(program: string, first = ':'): string[] {
  const replace = 'for each; do [ "$each" != "$old" ] || each=$new; set -- "$@" "$each"; shift; done';
  const script = `${first}; old=$1 new=$2; shift 2; ${replace}; exec "$@"`;
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
