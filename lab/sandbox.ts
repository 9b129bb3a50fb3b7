// A sandbox on this machine: mount, PID and network namespaces of its own, in which labs build further network
// namespaces. It owns nothing outside of itself but one folder, and leaves nothing behind: its first process reads
// from a pipe that only the creator holds, so when the creator dies before it wrote `keep`, the kernel ends every
// process inside and with them every namespace; a wrapper outside then removes the folder.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { readFile, readlink } from 'node:fs/promises';
import { getuid } from 'node:process';
import { hasEnded } from './process-end.ts';
import { TIME_SCALE } from './time-scale.ts';

export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Text for standard input; none means end of file at once. */
  readonly input?: string;
  /** After this long the command is killed and reported as code 124; default 60 s. {@link TIME_SCALE} multiplies it. */
  readonly timeoutMs?: number;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 64 << 20;

/**
 * Runs outside of network namespaces but inside the sandbox; `/run` is empty and private there. It waits for a child all the
 * time, as a shell that waits reaps orphans, and one that reads does not.
 */
const INIT_SCRIPT = `
mount -t tmpfs tmpfs /run && mkdir -p /run/netns && ip link set lo up && echo ready || exit 1
sh -c 'read -r command && [ "$command" = keep ]' || exit 0
while :; do sleep 3600; done`;

/** Waits for the sandbox to end, however it ends, and then removes its folder. */
const WRAPPER_SCRIPT = `folder=$1; shift; "$@"; [ -e "$folder/keep-logs" ] || rm -rf "$folder"; rmdir "\${folder%/*}" 2>/dev/null`;

export class Sandbox {
  /** Process id, as seen from outside, of the sandbox's first process. */
  readonly pid: number;
  readonly #anchor: ChildProcess | undefined;

  private constructor(pid: number, anchor?: ChildProcess) {
    this.pid = pid;
    this.#anchor = anchor;
  }

  /** Creates a sandbox that ends with this process unless {@link keep} is called. `folder` is removed at its end. */
  static async create(folder: string): Promise<Sandbox> {
    const unshare = ['unshare', '--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
    if (getuid?.() !== 0) unshare.push('--user', '--map-root-user');
    const anchor = spawn('sh', ['-c', WRAPPER_SCRIPT, 'sh', folder, ...unshare, 'sh', '-c', INIT_SCRIPT], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    await waitUntilReady(anchor);
    const unsharePid = await onlyChildOf(anchor.pid!);
    return new Sandbox(await onlyChildOf(unsharePid), anchor);
  }

  /** A sandbox that another process made and kept. */
  static open(pid: number): Sandbox {
    return new Sandbox(pid);
  }

  /** Lets the sandbox outlive this process. */
  keep(): void {
    this.#anchor?.stdin?.end('keep\n');
    this.#release();
  }

  /** Start time of the sandbox's first process: distinguishes it from a later process with the same PID. */
  identity(): Promise<string | undefined> {
    return startTimeOf(this.pid);
  }

  /** Command line that runs `argv` inside, in network namespace `netns` if given, where /sys shows its devices. */
  commandLine(argv: readonly string[], netns?: string): string[] {
    return [...this.#enter(), '--', ...(netns === undefined ? [] : ['ip', 'netns', 'exec', netns]), ...argv];
  }

  #enter(netns?: string): string[] {
    const net = netns === undefined ? '-n' : `--net=${this.outside(`/run/netns/${netns}`)}`;
    const enter = ['nsenter', '-t', String(this.pid), '-m', '-p', net];
    return getuid?.() === 0 ? enter : [...enter, '-U', '--preserve-credentials'];
  }

  /** Runs `argv` inside to its end. A failed command resolves with its `code`. */
  run(argv: readonly string[], netns?: string, options: RunOptions = {}): Promise<Output> {
    return execute(this.commandLine(argv, netns), options);
  }

  /**
   * As {@link run}, for commands that read: without `ip netns exec` and its mount namespace, which cost half of a short
   * command. /sys shows the devices of the sandbox, not those of `netns`.
   */
  query(argv: readonly string[], netns: string, options: RunOptions = {}): Promise<Output> {
    return execute([...this.#enter(netns), '--', ...argv], options);
  }

  /** As {@link run}, but a failed command rejects with its output. */
  async check(argv: readonly string[], netns?: string, options?: RunOptions): Promise<string> {
    return stdoutOf(await this.run(argv, netns, options), argv, netns);
  }

  /** As {@link query}, but a failed command rejects with its output. */
  async checkQuery(argv: readonly string[], netns: string, options?: RunOptions): Promise<string> {
    return stdoutOf(await this.query(argv, netns, options), argv, netns);
  }

  /** Path of a file inside the sandbox as seen from outside. */
  outside(path: string): string {
    return `/proc/${this.pid}/root${path}`;
  }

  /** Ends every process inside; resolves when they are gone. */
  async destroy(): Promise<void> {
    const wrapperPid = this.#anchor?.pid ?? (await grandparentOf(this.pid));
    try {
      process.kill(this.pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
    await waitUntilGone(wrapperPid ?? this.pid);
    this.#release();
  }

  /** Frees the handles that would keep this process's event loop alive. */
  #release(): void {
    for (const stream of this.#anchor?.stdio ?? []) stream?.destroy();
    this.#anchor?.unref();
  }
}

function stdoutOf({ code, stdout, stderr }: Output, argv: readonly string[], netns?: string): string {
  if (code === 0) return stdout;
  const place = netns ? ` in ${netns}` : '';
  throw new Error(`'${argv.join(' ')}'${place} failed (${code}): ${stderr || stdout}`);
}

function execute([file, ...args]: readonly string[], options: RunOptions): Promise<Output> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, input } = options;
  return new Promise((resolve) => {
    const limits = {
      timeout: timeoutMs * TIME_SCALE,
      killSignal: 'SIGKILL',
      maxBuffer: MAX_OUTPUT_BYTES,
    } as const;
    const child = execFile(file!, args, limits, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 124;
      resolve({ code, stdout, stderr });
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

function waitUntilReady(anchor: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let errors = '';
    anchor.stderr!.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    anchor.stdout!.once('data', () => resolve());
    anchor.once('error', reject);
    anchor.once('close', () =>
      reject(new Error(`Cannot make namespaces: ${errors.trim()}; run as root or allow user namespaces`)),
    );
  });
}

async function onlyChildOf(pid: number): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  const child = Number(children.trim().split(' ')[0]);
  if (!child) throw new Error(`Process ${pid} has no child: the sandbox ended while it was made`);
  return child;
}

/** The PID namespace that this process sees; numbers of another one mean other processes. */
export function pidNamespace(): Promise<string> {
  return readlink('/proc/self/ns/pid');
}

/** Start of a process in clock ticks since boot (proc_pid_stat(5), field 22); `undefined` if there is no such process. */
async function startTimeOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

async function parentOf(pid: number): Promise<number | undefined> {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return undefined;
  }
}

async function grandparentOf(pid: number): Promise<number | undefined> {
  const parent = await parentOf(pid);
  return parent === undefined ? undefined : parentOf(parent);
}

/** Polls: only the parent of a process is notified of its end. */
async function waitUntilGone(pid: number): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline) {
    if (await hasEnded(`/proc/${pid}`)) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`Process ${pid} of the sandbox did not end within 10 s`);
}
