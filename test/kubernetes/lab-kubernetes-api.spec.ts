import { mkdir, writeFile } from 'node:fs/promises';
import { INSIDE } from '../../lab/daemon-command.ts';
import type { Lab } from '../../lab/lab.ts';
import { ETCD_ADDRESS, ETCD_URL } from '../../lab/topology.ts';
import { describeKubernetesLab } from '../compliance/kubernetes-lab.ts';
import type { LabApiServer } from '../support/kubernetes/lab-cluster.ts';
import { ADMIN_TOKEN, apiServerCommand, writeServerFiles } from './real-api-server.ts';

const PORT = 6443;
const FOLDER = `${INSIDE}/api`;
const TOKEN_FILE = `${FOLDER}/kubeconfig`;

/** Daemons use the token of the administrator here; rights are the subject of another suite. */
function realServer(lab: Lab): LabApiServer {
  const url = `https://${ETCD_ADDRESS}:${PORT}`;
  let hasStarted = false;
  const prepare = async (): Promise<void> => {
    hasStarted = true;
    await mkdir(lab.sandbox.outside(FOLDER), { recursive: true });
    await writeServerFiles(lab.sandbox.outside(FOLDER));
    const kubeconfig = {
      'current-context': 'lab',
      contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'lab' } }],
      clusters: [{ name: 'lab', cluster: { server: url, 'certificate-authority': 'apiserver.crt' } }],
      users: [{ name: 'lab', user: { token: ADMIN_TOKEN } }],
    };
    await writeFile(lab.sandbox.outside(TOKEN_FILE), JSON.stringify(kubeconfig));
    await lab.startEtcd();
  };
  return {
    url,
    token: ADMIN_TOKEN,
    environment: ['NODE_TLS_REJECT_UNAUTHORIZED=0', 'NODE_NO_WARNINGS=1'],
    daemonFlags: [`--kubeconfig-file=${TOKEN_FILE}`],
    start: async () => {
      if (!hasStarted) await prepare();
      const command = apiServerCommand({
        folder: FOLDER,
        address: ETCD_ADDRESS,
        port: PORT,
        etcdUrl: ETCD_URL,
      });
      await lab.startProcess('api', 'etcd', command);
      await lab.waitForProcess('api', 'the API server is ready', async () => {
        const script =
          'fetch(process.argv[1]).then((a) => process.exit(a.ok ? 0 : 1), () => process.exit(1))';
        const environment = ['env', 'NODE_TLS_REJECT_UNAUTHORIZED=0', 'NODE_NO_WARNINGS=1'];
        const argv = [...environment, process.execPath, '-e', script, `${url}/readyz`];
        return (await lab.exec('etcd', argv)).code === 0;
      });
    },
    stop: () => lab.signalProcess('api', 'KILL'),
  };
}

describeKubernetesLab('a real API server', realServer);
