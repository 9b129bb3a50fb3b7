// `weft cleanup`: removes from this host what weft or flannel made.
import { DEFAULT_PREFIX } from '../../allocator/registry/kubernetes/annotations.ts';
import { cleanUp, DaemonRunningError, type CleanupResult } from '../../daemon/cleanup/cleanup.ts';
import { EXIT_FAILURE, EXIT_OK } from '../../daemon/node/exit.ts';
import { loadNative } from '../../native/index.ts';
import { ControlClient, socketPath } from '../client/control-client.ts';
import { findClusterArtifacts } from '../client/cluster-artifacts.ts';
import { SUBNET_FILE_DEFAULT, subnetFilePath } from '../client/subnet-file-path.ts';
import { defineCommand } from '../command.ts';
import { printData } from '../output.ts';

export const cleanupCommand = defineCommand({
  name: 'cleanup',
  synopsis: ['[--dry-run] [--force] [--json] [--subnet-file PATH]'],
  about: `Removes everything that weft or flannel made on this host: devices with their routes and neighbours, nftables tables,
iptables chains with the rules that jump to them, subnet.env. Containers lose the connection to other hosts.
Objects of other programs stay. The lease in etcd stays until its TTL ends ("weft leases" shows it).
With --kube-node it removes what this host published in Kubernetes, too; deploy/kubernetes/cleanup.yaml does so on every node.`,
  options: {
    'dry-run': { type: 'boolean', help: 'print what would be removed' },
    force: { type: 'boolean', help: 'remove it although a daemon runs, which will create it again' },
    json: { type: 'boolean', help: 'print a list of {kind, name, result: found|removed|failed, reason}' },
    'subnet-file': {
      type: 'string',
      value: 'PATH',
      help: `subnet.env of the daemon (default: ${SUBNET_FILE_DEFAULT})`,
    },
    'cni-conf-dir': {
      type: 'string',
      value: 'DIR',
      help: 'remove conflists that name weft-cni from this folder, for example /etc/cni/net.d',
    },
    'cni-bin-dir': {
      type: 'string',
      value: 'DIR',
      help: 'remove plugins that weft cni copy installed in this folder, for example /opt/cni/bin',
    },
    'kube-node': {
      type: 'string',
      value: 'NAME',
      help: 'remove the annotations of this Node, and set its condition NetworkUnavailable',
    },
    'kube-api-url': {
      type: 'string',
      value: 'URL',
      default: '',
      help: 'URL of the API server (default: that of the kubeconfig or of the pod)',
    },
    'kubeconfig-file': {
      type: 'string',
      value: 'PATH',
      default: '',
      help: 'kubeconfig (default: the service account of the pod)',
    },
    'kube-annotation-prefix': {
      type: 'string',
      value: 'PREFIX',
      default: DEFAULT_PREFIX,
      help: `prefix of the annotations (default: ${DEFAULT_PREFIX})`,
    },
  },
  examples: [
    ['weft cleanup --dry-run', 'list what is there'],
    ['systemctl stop flanneld && weft cleanup', 'remove everything'],
  ],
  run: async (values) => {
    const { 'dry-run': isDryRun, force: isForced } = values;
    // A pod sees no process of another pod, but its socket.
    const isInPod = values['kube-node'] !== undefined;
    if (isInPod && !isDryRun && !isForced && (await isDaemonAnswering()))
      throw new DaemonRunningError('weft daemon');
    const others = await findClusterArtifacts({
      confDir: values['cni-conf-dir'],
      binDir: values['cni-bin-dir'],
      cacheDir: process.env['CACHE_DIRECTORY'],
      nodeName: values['kube-node'],
      apiUrl: values['kube-api-url'],
      kubeconfigFile: values['kubeconfig-file'],
      prefix: values['kube-annotation-prefix'],
    });
    const results = await cleanUp({
      native: loadNative().native,
      subnetFile: subnetFilePath(values['subnet-file']),
      isDryRun,
      isForced,
      others,
    });
    printData(results, { json: values.json, text: formatResults });
    return results.some(({ result }) => result === 'failed') ? EXIT_FAILURE : EXIT_OK;
  },
});

function isDaemonAnswering(): Promise<boolean> {
  return new ControlClient(socketPath(undefined)).request('status').then(
    () => true,
    () => false,
  );
}

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
