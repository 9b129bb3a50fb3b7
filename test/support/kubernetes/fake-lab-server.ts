// The fake API server in a lab: it keeps its nodes in a file while it is stopped.
import { copyFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Lab } from '../../../lab/lab.ts';
import { INSIDE } from '../../../lab/daemon-command.ts';
import { ETCD_ADDRESS } from '../../../lab/topology.ts';
import { waitFor } from '../../../lab/wait.ts';
import type { LabApiServer } from '../../../lab/kubernetes/lab-api-server.ts';

const MAIN = fileURLToPath(new URL('fake-api-main.js', import.meta.url));
const PORT = '6443';
const STATE = `${INSIDE}/api.json`;

export function fakeServer(lab: Lab): LabApiServer {
  const url = `http://${ETCD_ADDRESS}:${PORT}`;
  const state = (): string => lab.sandbox.outside(STATE);
  return {
    url,
    environment: [],
    daemonFlags: [],
    start: async () => {
      await lab.startProcess('api', 'etcd', [process.execPath, MAIN, PORT, STATE]);
      const isUp = async (): Promise<boolean> =>
        (await lab.query('etcd', ['bash', '-c', `exec 3<>/dev/tcp/127.0.0.1/${PORT}`])).code === 0;
      await waitFor('the API server to listen', isUp);
    },
    stop: () => lab.signalProcess('api', 'TERM'),
    backUp: () => copyFile(state(), `${state()}.backup`),
    restore: () => copyFile(`${state()}.backup`, state()),
  };
}
