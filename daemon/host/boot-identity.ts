// The identity of this boot of this host: other machines with its address have another one, and so
// has a network namespace of its own on the same machine. A restart of the daemon keeps it.
import { createHash, randomUUID } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';

const BOOT_ID = '/proc/sys/kernel/random/boot_id';
const NETWORK_NAMESPACE = '/proc/self/ns/net';
const LENGTH = 16;

/** 16 hexadecimal digits. Random, and with that another for each process, where /proc has none. */
export async function readBootIdentity(bootIdPath = BOOT_ID): Promise<string> {
  const [bootId, namespace] = await Promise.all([
    readFile(bootIdPath, 'utf8').catch(randomUUID),
    stat(NETWORK_NAMESPACE).then(({ ino }) => ino, String),
  ]);
  // The boot id itself stays on the host: other programs derive secrets of their own from it.
  return createHash('sha256').update(`weft ${bootId.trim()} ${namespace}`).digest('hex').slice(0, LENGTH);
}
