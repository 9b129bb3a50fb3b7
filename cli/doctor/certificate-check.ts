// Checks when the certificates end that this host shows to etcd and trusts etcd by.
import { readFile } from 'node:fs/promises';
import { firstEndOf, lastEndOf } from '../../allocator/registry/etcd/certificate-dates.ts';
import type { Check, Found } from './check.ts';

const DAY_MS = 86_400_000;
/** Long enough to renew a certificate by hand. */
const WARNING_DAYS = 14;

export const certificateEnd: Check = {
  id: 'etcd-certificate-end',
  about: 'whether the certificates of --etcd-certfile and --etcd-cafile end soon',
  run: async ({ etcd: { tls } }) => {
    const ends = [
      { flag: '--etcd-certfile', path: tls?.client?.certFile, endOf: firstEndOf },
      { flag: '--etcd-cafile', path: tls?.caFile, endOf: lastEndOf },
    ];
    const found = await Promise.all(
      ends.map(async ({ flag, path, endOf }) => {
        const pem =
          path === undefined || path === '' ? undefined : await readFile(path).catch(() => undefined);
        return pem && findingOf(`${flag} ${path}`, endOf(pem), Date.now());
      }),
    );
    return found.filter((each) => each !== undefined);
  },
};

/** @param end - unset for a file without certificates, which the daemon reports. */
export function findingOf(file: string, end: Date | undefined, nowMs: number): Found | undefined {
  if (end === undefined) return undefined;
  const leftMs = end.getTime() - nowMs;
  if (leftMs > WARNING_DAYS * DAY_MS) return undefined;
  const isOver = leftMs <= 0;
  const days = Math.floor(leftMs / DAY_MS);
  return {
    severity: isOver ? 'error' : 'warning',
    title: isOver ? 'A certificate for etcd has expired' : `A certificate for etcd ends in ${days} days`,
    evidence: [`${file} is valid until ${end.toISOString()}`],
    impact: 'Once it has ended, this host sees no joins, leaves and config changes, and its lease ends',
    fix: `renew ${file.split(' ')[1]}; the daemon reads it with its next connection`,
  };
}
