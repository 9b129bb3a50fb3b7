// The PEM files of the etcd connection: reads and checks them; errors name the flag. Knows no gRPC.
import { X509Certificate, createPrivateKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { RegistryError } from '../registry.ts';

/** Read for each connection, so that rotated ones take effect. */
export interface TlsFiles {
  readonly caFile?: string;
  readonly client?: { readonly certFile: string; readonly keyFile: string };
}

/** PEM texts as they are on disk. `cert` and `key` are both set or both unset. */
export interface TlsMaterial {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/**
 * Reads and checks the files that are given.
 * @throws RegistryError `REGISTRY_REJECTED` naming flag, path and reason; never the content
 */
export function readTlsMaterial({ caFile, client }: TlsFiles): TlsMaterial {
  const ca =
    caFile === undefined ? {} : { ca: read('--etcd-cafile', caFile, (pem) => new X509Certificate(pem)) };
  return client === undefined ? ca : { ...ca, ...readPair(client) };
}

function readPair({ certFile, keyFile }: NonNullable<TlsFiles['client']>): { cert: Buffer; key: Buffer } {
  let certificate: X509Certificate | undefined;
  let privateKey: KeyObject | undefined;
  const cert = read('--etcd-certfile', certFile, (pem) => (certificate = new X509Certificate(pem)));
  const key = read('--etcd-keyfile', keyFile, (pem) => (privateKey = createPrivateKey(pem)));
  if (certificate !== undefined && privateKey !== undefined && !certificate.checkPrivateKey(privateKey))
    throw invalid(
      `--etcd-keyfile ${keyFile} is not the key of --etcd-certfile ${certFile}: give a matching pair`,
    );
  return { cert, key };
}

function read(flag: string, path: string, check: (pem: Buffer) => unknown): Buffer {
  try {
    const pem = readFileSync(path);
    check(pem);
    return pem;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalid(`${flag} ${path} cannot be used: ${reason}`, { cause: error });
  }
}

function invalid(message: string, options?: ErrorOptions): RegistryError {
  return new RegistryError('REGISTRY_REJECTED', message, options);
}
