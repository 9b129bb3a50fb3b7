// Archives of all peers for one bug report: runs a command for each, which logs in there and writes the
// archive to its standard output. Weft itself opens no connection between hosts.
import { spawn, type ChildProcess } from 'node:child_process';
import { parseIp } from '../../lib/address.ts';
import { killGroup } from '../../lib/process-group.ts';
import type { PeerV1 } from '../../api/index.ts';
import type { TarFile } from '../format/tar.ts';

/** `ADDRESS` and `NAME` stand for those of the peer. */
export const DEFAULT_VIA = 'ssh -o BatchMode=yes ADDRESS weft sysdump -o -';

const CONCURRENT = 8;
const TIMEOUT_MS = 60_000;
const MAX_BYTES = 256 << 20;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Names come from other hosts: only these become part of a command. */
const PLAIN_NAME = /^[A-Za-z0-9][\w.-]{0,252}$/;

/** One archive a peer, or a text with the reason why there is none. In the order of the peers. */
export async function gatherDumps(
  peers: readonly PeerV1[],
  via: string,
  timeoutMs = TIMEOUT_MS,
): Promise<readonly TarFile[]> {
  const dumps: TarFile[] = [];
  const queue = peers.entries();
  const work = async (): Promise<void> => {
    for (const [index, peer] of queue) dumps[index] = await dumpOf(peer, via, timeoutMs);
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENT, peers.length) }, work));
  return dumps;
}

/** The command for a peer; `undefined` without an address. */
export function commandFor({ name, publicIp, publicIpv6 }: PeerV1, via: string): string | undefined {
  const address = parseIp(publicIp ?? publicIpv6 ?? '');
  if (address === undefined) return undefined;
  const called = name !== undefined && PLAIN_NAME.test(name) ? name : address;
  return via.replaceAll(/\b(?:ADDRESS|NAME)\b/g, (word) => (word === 'NAME' ? called : address));
}

async function dumpOf(peer: PeerV1, via: string, timeoutMs: number): Promise<TarFile> {
  const file = `hosts/${(peer.name ?? peer.publicIp ?? peer.key).replaceAll(/[^\w.-]/g, '_').slice(0, 40)}`;
  const command = commandFor(peer, via);
  if (command === undefined) return { path: `${file}.txt`, text: 'This peer has no public IP\n' };
  const { archive, reason } = await outputOf(command, timeoutMs);
  if (reason === undefined) return { path: `${file}.tar.gz`, text: archive };
  return { path: `${file}.txt`, text: `# ${command}\n${reason}\n` };
}

interface Output {
  readonly archive: Buffer;
  /** Why it is none. */
  readonly reason?: string;
}

/** The command is a process group, so that a time-out and a signal end each part of a pipe. */
async function outputOf(command: string, timeoutMs: number): Promise<Output> {
  const child = spawn('sh', ['-c', command], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const onSignal = (signal: NodeJS.Signals): void => {
    killGroup(child, 'SIGKILL');
    process.kill(process.pid, signal);
  };
  for (const signal of SIGNALS) process.once(signal, onSignal);
  const end = await endOf(child, timeoutMs);
  for (const signal of SIGNALS) process.off(signal, onSignal);
  const { archive, stderr } = end;
  const isGzip = archive[0] === 0x1f && archive[1] === 0x8b;
  if (end.cause === undefined && isGzip) return { archive };
  const text = stderr.toString().trim().slice(0, 2000);
  return { archive, reason: [end.cause ?? 'its output is no archive', text].filter(Boolean).join('\n') };
}

interface CommandEnd {
  readonly archive: Buffer;
  readonly stderr: Buffer;
  /** Unset if it succeeded. */
  readonly cause?: string;
}

function endOf(child: ChildProcess, timeoutMs: number): Promise<CommandEnd> {
  const [archive, stderr]: [Buffer[], Buffer[]] = [[], []];
  let size = 0;
  return new Promise((resolve) => {
    const finish = (cause?: string): void => {
      clearTimeout(timer);
      for (const stream of [child.stdout, child.stderr]) stream?.destroy();
      const output = { archive: Buffer.concat(archive), stderr: Buffer.concat(stderr) };
      resolve({ ...output, ...(cause !== undefined && { cause }) });
    };
    const cancel = (cause: string): void => {
      killGroup(child, 'SIGKILL');
      finish(cause);
    };
    const timer = setTimeout(() => cancel(`it took longer than ${timeoutMs / 1000} s`), timeoutMs);
    const keep = (chunks: Buffer[]) => (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_BYTES) cancel(`its output has more than ${MAX_BYTES >> 20} MiB`);
    };
    child.stdout?.on('data', keep(archive));
    child.stderr?.on('data', keep(stderr));
    child.once('error', ({ message }) => finish(message));
    child.once('close', (code, signal) =>
      finish(
        code === 0 ? undefined : code === null ? `it was ended by ${signal}` : `it ended with code ${code}`,
      ),
    );
  });
}
