// Commands on a Debian that nothing was installed on: test/fresh/enter.sh runs them. Needs root.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lab/package-root.ts';

/** A copy of a Debian root of .build/, with a disk of its own that lasts until {@link remove}. */
export class FreshDebian {
  /** In memory, about 3 GB: tens of thousands of small files. */
  readonly state = mkdtempSync('/dev/shm/weft-fresh-');
  readonly #lower: string;

  constructor(name: string) {
    this.#lower = join(packageRoot(), '.build', name);
  }

  run(command: string) {
    const args = [join(packageRoot(), 'test/fresh/enter.sh'), this.#lower, this.state, command];
    return spawnSync('sh', args, { encoding: 'utf8', maxBuffer: 1e8 });
  }

  /** As {@link run}, but failure is an error. Returns the standard output. */
  check(command: string): string {
    const { status, stdout, stderr } = this.run(command);
    assert.equal(status, 0, `${command} ended with ${status}:\n${stdout}${stderr}`);
    return stdout;
  }

  /** Path, on this machine, of a file that was written there. */
  pathOf(file: string): string {
    return join(this.state, 'upper', file);
  }

  /** Path, on this machine, of a file to put into root's home there. */
  pathInHome(name: string): string {
    mkdirSync(this.pathOf('root'), { recursive: true });
    return this.pathOf(`root/${name}`);
  }

  remove(): void {
    rmSync(this.state, { recursive: true, force: true });
  }
}
