// Certificates for one test: an authority, a server and a client of it, made by the openssl command.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
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

/** A certificate whose validity ended with the year 2020. */
export type Expired = 'ca' | 'server' | 'client';

/** Makes an authority of its own with a server certificate for `serverNames`, in openssl's form. */
export async function makeCertificates(
  serverNames = 'IP:127.0.0.1,DNS:localhost',
  expired?: Expired,
): Promise<Certificates> {
  const directory = await mkdtemp(join(tmpdir(), 'weft-pem-'));
  const path = (name: string): string => join(directory, name);
  const signed = ['-CA', path('ca.pem'), '-CAkey', path('ca.key')];
  await certificate(path('ca'), 'weft test authority', []);
  await Promise.all([
    // etcd's own gateway is a client of its server, so the server certificate is good for both.
    certificate(path('server'), 'server', [...signed, '-addext', `subjectAltName=${serverNames}`]),
    certificate(path('client'), 'client', signed),
  ]);
  if (expired !== undefined) await expire(directory, expired, serverNames);
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

/** Signs a certificate again with dates of the past, which `openssl req` takes from version 3.4 on only. */
async function expire(directory: string, name: Expired, serverNames: string): Promise<void> {
  const path = (file: string): string => join(directory, file);
  const section = name === 'ca' ? 'basicConstraints=critical,CA:true' : `subjectAltName=${serverNames}`;
  const config = `[ca]\ndefault_ca=d\n[d]\ndatabase=${path('index')}\nserial=${path('serial')}\nnew_certs_dir=${directory}\n`;
  const policy = `default_md=sha256\npolicy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\n${section}\n`;
  await Promise.all([
    writeFile(path('ca.conf'), config + policy),
    writeFile(path('index'), ''),
    writeFile(path('serial'), '01\n'),
  ]);
  const subject = name === 'ca' ? 'weft test authority' : name;
  await run('openssl', [
    'req',
    '-new',
    '-key',
    path(`${name}.key`),
    '-subj',
    `/CN=${subject}`,
    '-out',
    path('csr'),
  ]);
  const signer = name === 'ca' ? ['-selfsign'] : ['-cert', path('ca.pem')];
  const dates = ['-startdate', '200101000000Z', '-enddate', '210101000000Z'];
  const files = ['-keyfile', path('ca.key'), '-in', path('csr'), '-out', path(`${name}.pem`), '-notext'];
  await run('openssl', ['ca', '-batch', '-config', path('ca.conf'), ...signer, ...files, ...dates]);
}
