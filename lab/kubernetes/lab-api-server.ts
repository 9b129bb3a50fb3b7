// A real kube-apiserver in a lab, on the etcd of the lab.
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { INSIDE } from '../daemon-command.ts';
import type { Lab } from '../lab.ts';
import { ETCD_ADDRESS, ETCD_URL } from '../topology.ts';
import { ADMIN_TOKEN, apiServerCommand, FOLDER, KUBECONFIG, writeServerFiles } from './api-server.ts';

const PORT = 6443;

/** An API server that runs in namespace `etcd` of a lab. */
export interface LabApiServer {
  /** As daemons reach it. */
  readonly url: string;
  /** Of an administrator. */
  readonly token?: string;
  /** Environment that makes Node accept its certificate. */
  readonly environment: readonly string[];
  /** Flags that daemons need besides the URL. */
  readonly daemonFlags: readonly string[];
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Keeps a copy of what the server stores, which is stopped. */
  backUp(): Promise<void>;
  /** Replaces what the server stores by the copy; the server is stopped. */
  restore(): Promise<void>;
}

/** Daemons use the token of the administrator here; rights are the subject of another suite. */
export function realServer(lab: Lab): LabApiServer {
  const url = `https://${ETCD_ADDRESS}:${PORT}`;
  let hasStarted = false;
  const etcdFolder = (): string => lab.sandbox.outside(`${INSIDE}/etcd`);
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
    await writeFile(lab.sandbox.outside(KUBECONFIG), JSON.stringify(kubeconfig));
    await lab.startEtcd();
  };
  return {
    url,
    token: ADMIN_TOKEN,
    environment: ['NODE_TLS_REJECT_UNAUTHORIZED=0', 'NODE_NO_WARNINGS=1'],
    daemonFlags: [`--kubeconfig-file=${KUBECONFIG}`],
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
    backUp: async () => {
      await lab.stopEtcd();
      await cp(etcdFolder(), `${etcdFolder()}.backup`, { recursive: true });
      await lab.startEtcd();
    },
    restore: async () => {
      await lab.stopEtcd();
      await rm(etcdFolder(), { recursive: true });
      await cp(`${etcdFolder()}.backup`, etcdFolder(), { recursive: true });
      await lab.startEtcd();
    },
  };
}
