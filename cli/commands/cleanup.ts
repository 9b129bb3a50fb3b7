// `weft cleanup`: removes from this host what weft or flannel made.
import { cleanUp, type CleanupResult } from '../../daemon/cleanup/cleanup.ts';
import { EXIT_FAILURE, EXIT_OK } from '../../daemon/node/exit.ts';
import { loadNative } from '../../native/index.ts';
import { SUBNET_FILE_DEFAULT, subnetFilePath } from '../client/subnet-file-path.ts';
import { defineCommand } from '../command.ts';
import { printData } from '../output.ts';

export const cleanupCommand = defineCommand({
  name: 'cleanup',
  synopsis: ['[--dry-run] [--force] [--json] [--subnet-file PATH]'],
  about: `Removes everything that weft or flannel made on this host: devices with their routes and neighbours, nftables tables,
iptables chains with the rules that jump to them, subnet.env. Containers lose the connection to other hosts.
Objects of other programs stay. The lease in etcd stays until its TTL ends ("weft leases" shows it).`,
  options: {
    'dry-run': { type: 'boolean', help: 'print what would be removed' },
    force: { type: 'boolean', help: 'remove it although a daemon runs, which will create it again' },
    json: { type: 'boolean', help: 'print a list of {kind, name, result: found|removed|failed, reason}' },
    'subnet-file': {
      type: 'string',
      value: 'PATH',
      help: `subnet.env of the daemon (default: ${SUBNET_FILE_DEFAULT})`,
    },
  },
  examples: [
    ['weft cleanup --dry-run', 'list what is there'],
    ['systemctl stop flanneld && weft cleanup', 'remove everything'],
  ],
  run: async (values) => {
    const results = await cleanUp({
      native: loadNative().native,
      subnetFile: subnetFilePath(values['subnet-file']),
      isDryRun: values['dry-run'],
      isForced: values.force,
    });
    printData(results, { json: values.json, text: formatResults });
    return results.some(({ result }) => result === 'failed') ? EXIT_FAILURE : EXIT_OK;
  },
});

const VERBS = { found: 'would remove', removed: 'removed', failed: 'CANNOT REMOVE' } as const;

function formatResults(results: readonly CleanupResult[]): string {
  if (results.length === 0) return 'Nothing of weft or flannel is on this host.\n';
  return results
    .map(({ kind, name, result, reason }) => {
      const why = reason === undefined ? '' : `: ${reason}`;
      return `${VERBS[result]}  ${kind.padEnd(6)}  ${name}${why}\n`;
    })
    .join('');
}
