// A Debian machine with a real systemd as a host of a lab: booted in namespaces by test/boot/boot.sh, its network being that
// of the lab's host. Its disk lasts from one boot to the next, everything else is gone when it is off. Needs root.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Lab } from '../../lab/lab.ts';
import { packageRoot } from '../../lab/package-root.ts';
import type { Output } from '../../lab/sandbox.ts';
import { waitFor } from '../../lab/wait.ts';

const BOOT_MS = 60_000;
const PATH = 'PATH=/usr/sbin:/usr/bin:/sbin:/bin';

export class Machine {
  readonly #lab: Lab;
  readonly #host: string;
  /** Folder, in the lab, with its disk. */
  readonly #state: string;
  #init = '';

  constructor(lab: Lab, host: string) {
    this.#lab = lab;
    this.#host = host;
    this.#state = `/run/machine-${host}`;
  }

  /** Starts it and waits until its systemd answers, in any state. */
  async boot(): Promise<void> {
    const [script, root] = ['test/boot/boot.sh', '.build/debian-12'].map((path) => join(packageRoot(), path));
    const background = `mkdir -p "$3" && setsid sh "$1" "$2" "$3" </dev/null >"$3/console" 2>&1 &`;
    await this.#lab.check(this.#host, ['sh', '-c', background, 'sh', script!, root!, this.#state]);
    const hasAnswered = async () => {
      this.#init = (await readFile(this.#outside('init'), 'utf8').catch(() => '')).trim();
      return this.#init !== '' && (await this.run('systemctl show --property=Version')).code === 0;
    };
    await waitFor('systemd to answer', hasAnswered, BOOT_MS).catch(async (error: Error) => {
      throw new Error(`${error.message}: ${await readFile(this.#outside('console'), 'utf8')}`);
    });
  }

  /** Cuts the power. */
  async off(): Promise<void> {
    if (this.#init === '') return;
    await this.#lab.exec(this.#host, ['kill', '-KILL', this.#init]);
    const isOff = async () => (await readFile(this.#outside('init'), 'utf8').catch(() => '')) === '';
    await waitFor('the machine to be off', isOff, BOOT_MS);
    this.#init = '';
  }

  /** Runs a shell command on it. A failed command resolves with its `code`. */
  run(command: string, input?: string): Promise<Output> {
    const enter = ['nsenter', '-t', this.#init, '-m', '-p', '-u', '-i', '-C', '--', 'env', '-i', PATH];
    const options = input === undefined ? {} : { input };
    return this.#lab.exec(this.#host, [...enter, 'LC_ALL=C.UTF-8', 'sh', '-c', command], options);
  }

  /** As {@link run}, but failure is an error. Resolves with the output without its last newline. */
  async check(command: string, input?: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(command, input);
    if (code !== 0) throw new Error(`${command} ended with ${code}: ${stdout}${stderr}`);
    return stdout.trimEnd();
  }

  /** Puts a file of this project or of the lab into its `/tmp`; resolves with the path there. */
  async copy(file: string, name: string): Promise<string> {
    const inside = `/proc/${this.#init}/root/tmp/${name}`;
    await this.#lab.check(this.#host, ['cp', file, inside]);
    return `/tmp/${name}`;
  }

  /** One property of a unit, as systemd knows it. */
  property(unit: string, name: string): Promise<string> {
    return this.check(`systemctl show --value --property=${name} ${unit}`);
  }

  /** Waits until a property of a unit has the given value. */
  async waitForProperty(unit: string, name: string, isWanted: RegExp, timeoutMs = 60_000): Promise<void> {
    let last = '';
    const isSo = async () => isWanted.test((last = await this.property(unit, name)));
    await waitFor(`${name} of ${unit} to be ${isWanted}`, isSo, timeoutMs, 50).catch(async (error: Error) => {
      const journal = await this.run(`journalctl --no-pager -n 15 -u ${unit}`);
      throw new Error(`${error.message}, not ${JSON.stringify(last)}\n${journal.stdout}`);
    });
  }

  /** Path of a file of its state, as seen from here. */
  #outside(name: string): string {
    return `/proc/${this.#lab.sandbox.pid}/root${this.#state}/${name}`;
  }
}
