// `weft sysdump`: writes an archive for a bug report.
import { writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { gzipSync } from 'node:zlib';
import type { PeersV1 } from '../../api/index.ts';
import { EXIT_OK } from '../../daemon/node/exit.ts';
import { versionLine } from '../../daemon/node/usage.ts';
import { defineCommand } from '../command.ts';
import { ControlClient, SOCKET_OPTION, socketPath } from '../client/control-client.ts';
import { formatBytes } from '../format/duration.ts';
import { gatherParts } from '../client/sysdump-parts.ts';
import { DEFAULT_VIA, gatherDumps } from '../client/cluster-dumps.ts';
import { formatTable } from '../format/table.ts';
import { tar, type TarFile } from '../format/tar.ts';
import { printBytes, printText } from '../output.ts';

export const sysdumpCommand = defineCommand({
  name: 'sysdump',
  synopsis: ['[-o FILE] [--cluster [--via COMMAND]] [--socket PATH]'],
  about: `Writes a .tar.gz for a bug report: answers of the daemon, the kernel's tables, firewall and settings, versions, and the
end of the log in the systemd journal. Passwords, tokens and private keys are masked; addresses, routes and rules of this
host are included. Works without a daemon. Review the archive before sharing it: its contents are listed.
With --cluster it has the archives of all peers, which COMMAND writes to its standard output; ADDRESS and NAME in it stand for
those of the peer.`,
  options: {
    output: {
      type: 'string',
      short: 'o',
      value: 'FILE',
      help: 'file to write (default: weft-HOST-TIME.tar.gz here), - for standard output',
    },
    cluster: { type: 'boolean', help: 'include the archive of every peer' },
    via: {
      type: 'string',
      value: 'COMMAND',
      default: DEFAULT_VIA,
      help: `for each peer (default: ${DEFAULT_VIA})`,
    },
    socket: SOCKET_OPTION,
  },
  examples: [
    ['weft sysdump', 'write the archive here'],
    ['weft sysdump --cluster', 'include all peers, by ssh'],
    ["weft sysdump --cluster --via 'ssh NAME sudo weft sysdump -o -'", 'by another command'],
    ['weft sysdump -o - | tar tzv', 'list the contents without writing a file'],
  ],
  run: async ({ cluster, output, socket, via }) => {
    const now = new Date();
    const time = now.toISOString().replaceAll(/[-:]|\.\d+/g, '');
    const name = `weft-${hostname()}-${time}`;
    const version = { path: 'system/version.txt', text: `${versionLine()}\nnode ${process.version}\n` };
    const client = new ControlClient(socketPath(socket));
    // First: without a daemon nothing is known of peers.
    const { peers } = cluster ? await client.request<PeersV1>('peers') : { peers: [] };
    const parts = [...(await gatherParts(client)), version, ...(await gatherDumps(peers, via))];
    const files = parts.map(({ path, text }) => ({ path: `${name.slice(0, 60)}/${path}`, text }));
    const archive = gzipSync(tar(files, Math.floor(now.getTime() / 1000)));
    if (output === '-') await printBytes(archive);
    else {
      const file = output ?? `${name}.tar.gz`;
      await writeFile(file, archive, { mode: 0o600 });
      printText(formatContents(file, archive.length, parts));
    }
    return EXIT_OK;
  },
});

/** The file and its contents. */
export function formatContents(file: string, bytes: number, parts: readonly TarFile[]): string {
  const rows = parts.map(({ path, text }) => [path, formatBytes(Buffer.byteLength(text))]);
  return `${file}  ${formatBytes(bytes)}\n${formatTable(rows, { indent: 2, right: [1] })}`;
}
