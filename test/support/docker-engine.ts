// A real Docker engine on a host of a lab, with everything of its own: data, sockets, mounts and a cgroup. It ends with the
// lab; what it leaves is its cgroups, which `removeCgroups` removes. Needs root.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Lab } from '../../lab/lab.ts';
import { waitFor } from '../../lab/wait.ts';
import type { ServingContainer } from './container-network.ts';

const START_MS = 60_000;
const COMMAND_MS = 60_000;
/** Of all cgroups that engines of tests are put in. */
const CGROUP_PREFIX = 'weft-engine-';

/**
 * Starts in a mount namespace of its own, in which the folders that engine and containerd write to are empty. A cgroup
 * namespace keeps all that runc makes below one cgroup; the engine itself moves out of that one, as a cgroup with
 * processes cannot delegate controllers.
 */
const ENGINE_SCRIPT = `
set -e
folder=$1 cgroup=/sys/fs/cgroup/$2; shift 2
mount --make-rprivate /
mkdir "$folder"
for made in /etc/docker /opt; do mount -t tmpfs tmpfs "$made"; done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "$cgroup"
echo 0 >"$cgroup/cgroup.procs"
exec unshare --cgroup sh -ec 'umount /sys/fs/cgroup
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mkdir /sys/fs/cgroup/engine
  echo 0 >/sys/fs/cgroup/engine/cgroup.procs
  exec "$@"' sh \\
  dockerd --storage-driver vfs --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/pid" \\
  --host "unix://$folder/socket" "$@"`;

export class DockerEngine {
  readonly #lab: Lab;
  readonly #host: string;

  private constructor(lab: Lab, host: string) {
    this.#lab = lab;
    this.#host = host;
  }

  /** Starts an engine with the options that `weft docker-opts` writes, and waits until it answers. */
  static async start(lab: Lab, host: string, program: string): Promise<DockerEngine> {
    const engine = new DockerEngine(lab, host);
    const cgroup = CGROUP_PREFIX + randomBytes(4).toString('hex');
    const folder = engine.#folder;
    const start = `
      set -e
      "$1" -f "$2" -d "$3.env"
      . "$3.env"
      log=$4
      shift 4
      setsid unshare --mount sh -c "$@" $DOCKER_OPTS >"$log" 2>&1 </dev/null &`;
    const log = `${lab.logFolder}/docker-${host}.log`;
    const files = [program, lab.subnetFile(host), folder, log];
    await lab.check(host, ['sh', '-c', start, 'sh', ...files, ENGINE_SCRIPT, 'sh', folder, cgroup]);
    const answers = async () => (await lab.exec(host, [...engine.#client, 'version'])).code === 0;
    await waitFor(`the engine of ${host} to answer`, answers, START_MS, 50).catch(async (error: Error) => {
      throw new Error(`${error.message}; its log ends with:\n${await lab.logTail(`docker-${host}`, 10)}`);
    });
    return engine;
  }

  get #folder(): string {
    return `/run/docker-${this.#host}`;
  }

  get #client(): string[] {
    return ['docker', '--host', `unix://${this.#folder}/socket`];
  }

  /** Runs `docker ARGV`. @throws Error if it fails. */
  docker(argv: readonly string[]): Promise<string> {
    return this.#lab.check(this.#host, [...this.#client, ...argv], { timeoutMs: COMMAND_MS });
  }

  /** Makes an image of a root folder and starts a container of it that serves `www`. */
  async serve(root: string, name: string): Promise<ServingContainer> {
    const importRoot = `tar -C "$1" -c . | { shift; "$@"; }`;
    const args = ['sh', root, ...this.#client, 'import', '-', 'web-root'];
    await this.#lab.check(this.#host, ['sh', '-c', importRoot, ...args]);
    await this.docker(['run', '--detach', '--name', name, 'web-root', 'httpd', '-f', '-h', '/www']);
    const address = await this.docker(['inspect', '-f', '{{.NetworkSettings.IPAddress}}', name]);
    return {
      host: this.#host,
      address: address.trim(),
      run: (argv) => this.docker(['exec', name, ...argv]),
    };
  }
}

/** Removes the cgroups of engines that are gone, also of runs that were killed. */
export function removeCgroups(): void {
  const script = `
    mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 1
    for cgroup in /sys/fs/cgroup/${CGROUP_PREFIX}*; do
      ! grep -qx 'populated 0' "$cgroup/cgroup.events" 2>/dev/null || find "$cgroup" -depth -type d -exec rmdir {} +
    done`;
  execFileSync('unshare', ['--mount', 'sh', '-c', script]);
}
