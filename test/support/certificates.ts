// Certificates for one test: an authority, a server and a client of it, made by the openssl command.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Paths of PEM files. */
export interface Certificates {
  readonly ca: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
  remove(): Promise<void>;
}

/** Makes an authority of its own with a server certificate for `serverNames`, in openssl's form. */
export async function makeCertificates(serverNames = 'IP:127.0.0.1,DNS:localhost'): Promise<Certificates> {
  const directory = await mkdtemp(join(tmpdir(), 'weft-pem-'));
  const path = (name: string): string => join(directory, name);
  const signed = ['-CA', path('ca.pem'), '-CAkey', path('ca.key')];
  await certificate(path('ca'), 'weft test authority', []);
  await Promise.all([
    // etcd's own gateway is a client of its server, so the server certificate is good for both.
    certificate(path('server'), 'server', [...signed, '-addext', `subjectAltName=${serverNames}`]),
    certificate(path('client'), 'client', signed),
  ]);
  return {
    ca: path('ca.pem'),
    serverCert: path('server.pem'),
    serverKey: path('server.key'),
    clientCert: path('client.pem'),
    clientKey: path('client.key'),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

async function certificate(path: string, name: string, extra: readonly string[]): Promise<void> {
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const files = ['-keyout', `${path}.key`, '-out', `${path}.pem`];
  await run('openssl', ['req', '-x509', '-days', '1', '-subj', `/CN=${name}`, ...curve, ...files, ...extra]);
}
