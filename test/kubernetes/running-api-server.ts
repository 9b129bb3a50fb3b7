// A real kube-apiserver beside an etcd on this machine's loopback, and manifests as requests to it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { startEtcd } from '../../lab/etcd-server.ts';
import { waitFor } from '../../lab/wait.ts';
import { apiServerCommand, writeServerFiles } from '../../lab/kubernetes/api-server.ts';
import { collectionOf, type ManifestObject } from '../support/kubernetes/manifest-objects.ts';
import { call, type Answer } from './real-api-server.ts';

export interface RunningApiServer {
  readonly url: string;
  stop(): Promise<void>;
}

export async function startApiServer(port: number): Promise<RunningApiServer> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-api-'));
  await writeServerFiles(folder);
  const etcd = await startEtcd();
  const place = { folder, address: '127.0.0.1', port, etcdUrl: etcd.url };
  const argv = ['--pdeathsig', 'KILL', '--', ...apiServerCommand(place)];
  const server = spawn('/usr/bin/setpriv', argv, { stdio: 'ignore' });
  const url = `https://127.0.0.1:${port}`;
  const isReady = async (): Promise<boolean> =>
    (await call({ url: `${url}/readyz` }).catch(() => ({ status: 0 }))).status === 200;
  await waitFor('the API server to be ready', isReady, 100_000);
  return {
    url,
    stop: async () => {
      server.kill('SIGKILL');
      await once(server, 'exit');
      await etcd.stop();
      await rm(folder, { recursive: true });
    },
  };
}

export interface Manifest extends ManifestObject {
  readonly [key: string]: unknown;
}

/** The documents of a file in YAML. */
export function parseManifests(yaml: string): Manifest[] {
  return parseAllDocuments(yaml).flatMap((document) => (document.toJS() as Manifest | null) ?? []);
}

/** Creates one object; unknown fields are errors. */
export function create(url: string, body: Manifest, query = ''): Promise<Answer> {
  return call({
    url: `${url}${collectionOf(body)}?fieldValidation=Strict${query}`,
    method: 'POST',
    body,
  });
}
