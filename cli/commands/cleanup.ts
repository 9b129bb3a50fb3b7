// `weft cleanup`: takes from this host what weft or flannel left on it.
import { cleanUp, type CleanupResult } from '../../daemon/cleanup/cleanup.ts';
import { EXIT_FAILURE, EXIT_OK } from '../../daemon/node/exit.ts';
import { loadNative } from '../../native/index.ts';
import { defineCommand } from '../command.ts';

export const cleanupCommand = defineCommand({
  name: 'cleanup',
  synopsis: ['[--dry-run] [--force] [--json] [--subnet-file PATH]'],
  about: `Removes all that weft or flannel ever made on this host: their devices with everything on them, routes, tables of
nftables, chains of iptables with the rules that lead there, subnet.env. Containers lose their way to other hosts.
What others made stays, and so does the lease in etcd, which ends by itself ("weft leases" shows it).`,
  options: {
    'dry-run': { type: 'boolean', help: 'only say what would be removed' },
    force: { type: 'boolean', help: 'also while a daemon runs, which will make it all again' },
    json: { type: 'boolean', help: 'a list of {kind, name, result: found|removed|failed, reason}' },
    'subnet-file': {
      type: 'string',
      value: 'PATH',
      default: '/run/flannel/subnet.env',
      help: 'where the daemon wrote it (default: /run/flannel/subnet.env)',
    },
  },
  examples: [
    ['weft cleanup --dry-run', 'what is there?'],
    ['systemctl stop flanneld && weft cleanup', 'leave no trace'],
  ],
  run: async (values) => {
    const traces = await cleanUp({
      native: loadNative().native,
      subnetFile: values['subnet-file'],
      isDryRun: values['dry-run'],
      isForced: values.force,
    });
    process.stdout.write(values.json ? `${JSON.stringify(traces, null, 2)}\n` : formatTraces(traces));
    return traces.some(({ result }) => result === 'failed') ? EXIT_FAILURE : EXIT_OK;
  },
});

const VERBS = { found: 'would remove', removed: 'removed', failed: 'CANNOT REMOVE' } as const;

function formatTraces(traces: readonly CleanupResult[]): string {
  if (traces.length === 0) return 'Nothing of weft or flannel is on this host.\n';
  return traces
    .map(({ kind, name, result, reason }) => {
      const why = reason === undefined ? '' : `: ${reason}`;
      return `${VERBS[result]}  ${kind.padEnd(6)}  ${name}${why}\n`;
    })
    .join('');
}
