import { fileURLToPath } from 'node:url';
import type { Lab } from '../lab/lab.ts';
import { ETCD_ADDRESS } from '../lab/topology.ts';
import { INSIDE } from '../lab/daemon-command.ts';
import { waitFor } from '../lab/wait.ts';
import { describeKubernetesLab } from './compliance/kubernetes-lab.ts';
import type { LabApiServer } from './support/kubernetes/lab-cluster.ts';

const MAIN = fileURLToPath(new URL('support/kubernetes/fake-api-main.js', import.meta.url));
const PORT = '6443';

function fakeServer(lab: Lab): LabApiServer {
  const url = `http://${ETCD_ADDRESS}:${PORT}`;
  return {
    url,
    environment: [],
    daemonFlags: [],
    start: async () => {
      await lab.startProcess('api', 'etcd', [process.execPath, MAIN, PORT, `${INSIDE}/api.json`]);
      const isUp = async (): Promise<boolean> =>
        (await lab.query('etcd', ['bash', '-c', `exec 3<>/dev/tcp/127.0.0.1/${PORT}`])).code === 0;
      await waitFor('the API server to listen', isUp);
    },
    stop: () => lab.signalProcess('api', 'TERM'),
  };
}

describeKubernetesLab('the fake API server', fakeServer);
