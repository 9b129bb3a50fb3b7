// Archives of all peers for one bug report: runs a command for each, which logs in there and writes the
// archive to its standard output. Weft itself opens no connection between hosts.
import { execFile } from 'node:child_process';
import { parseIp } from '../../lib/address.ts';
import type { PeerV1 } from '../../api/index.ts';
import type { TarFile } from '../format/tar.ts';

/** `ADDRESS` and `NAME` stand for those of the peer. */
export const DEFAULT_VIA = 'ssh -o BatchMode=yes ADDRESS weft sysdump -o -';

const CONCURRENT = 8;
const TIMEOUT_MS = 60_000;
const MAX_BYTES = 256 << 20;
/** Names come from other hosts: only these become part of a command. */
const PLAIN_NAME = /^[A-Za-z0-9][\w.-]{0,252}$/;

/** One archive a peer, or a text with the reason why there is none. In the order of the peers. */
export async function gatherDumps(peers: readonly PeerV1[], via: string): Promise<readonly TarFile[]> {
  const dumps: TarFile[] = [];
  const queue = peers.entries();
  const work = async (): Promise<void> => {
    for (const [index, peer] of queue) dumps[index] = await dumpOf(peer, via);
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

async function dumpOf(peer: PeerV1, via: string): Promise<TarFile> {
  const file = `hosts/${(peer.name ?? peer.publicIp ?? peer.key).replaceAll(/[^\w.-]/g, '_').slice(0, 40)}`;
  const command = commandFor(peer, via);
  if (command === undefined) return { path: `${file}.txt`, text: 'This peer has no public IP\n' };
  const { archive, reason } = await outputOf(command);
  if (reason === undefined) return { path: `${file}.tar.gz`, text: archive };
  return { path: `${file}.txt`, text: `# ${command}\n${reason}\n` };
}

interface Output {
  readonly archive: Buffer;
  /** Why it is none. */
  readonly reason?: string;
}

function outputOf(command: string): Promise<Output> {
  const options = { encoding: 'buffer', timeout: TIMEOUT_MS, maxBuffer: MAX_BYTES } as const;
  return new Promise((resolve) => {
    execFile('sh', ['-c', command], options, (error, archive, stderr) => {
      const isGzip = archive[0] === 0x1f && archive[1] === 0x8b;
      if (error === null && isGzip) return resolve({ archive });
      const text = stderr.toString().trim().slice(0, 2000);
      const cause = error === null ? 'its output is no archive' : error.message.split('\n')[0]!;
      resolve({ archive, reason: [cause, text].filter(Boolean).join('\n') });
    });
  });
}
