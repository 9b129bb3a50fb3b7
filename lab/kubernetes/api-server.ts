// A real kube-apiserver: its files and its command line.
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { INSIDE } from '../daemon-command.ts';

export const ADMIN_TOKEN = 'admin-of-the-suite';
/** Of an API server in a lab, inside the sandbox. */
export const FOLDER = `${INSIDE}/api`;
export const KUBECONFIG = `${FOLDER}/kubeconfig`;

export interface ApiServerPlace {
  /** Folder for keys and certificates, which exists. As the server sees it. */
  readonly folder: string;
  readonly address: string;
  readonly port: number;
  readonly etcdUrl: string;
}

/** Writes the files of the server; `folder` is as this process sees it. */
export async function writeServerFiles(folder: string): Promise<void> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  await writeFile(join(folder, 'sa.key'), privateKey);
  await writeFile(join(folder, 'sa.pub'), publicKey);
  await writeFile(join(folder, 'tokens.csv'), `${ADMIN_TOKEN},admin,admin,system:masters\n`);
}

export function apiServerCommand({ address, etcdUrl, folder, port }: ApiServerPlace): string[] {
  return [
    apiServerProgram(),
    `--etcd-servers=${etcdUrl}`,
    `--bind-address=${address}`,
    `--advertise-address=${address}`,
    `--secure-port=${port}`,
    `--cert-dir=${folder}`,
    `--token-auth-file=${folder}/tokens.csv`,
    '--authorization-mode=Node,RBAC',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${folder}/sa.pub`,
    `--service-account-signing-key-file=${folder}/sa.key`,
    '--service-cluster-ip-range=10.96.0.0/16',
    '--endpoint-reconciler-type=none',
  ];
}

/** The program: as KUBE_APISERVER names it, or the newest that `make test-kube` built. @throws Error without one */
export function apiServerProgram(): string {
  const named = process.env['KUBE_APISERVER'];
  if (named !== undefined) return named;
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'weft-kubernetes');
  const versions = existsSync(cache) ? readdirSync(cache).sort() : [];
  const built = versions
    .map((version) => join(cache, version, 'kube-apiserver'))
    .filter((file) => existsSync(file));
  const newest = built.at(-1);
  if (newest === undefined)
    throw new Error(
      `There is no kube-apiserver in ${cache}: make test-kube builds one, or name it in KUBE_APISERVER`,
    );
  return newest;
}
