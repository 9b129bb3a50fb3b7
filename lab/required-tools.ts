// Programs without which no lab starts, checked before anything is created.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Debian's package by program. */
const PACKAGES: Readonly<Record<string, string>> = {
  bash: 'bash',
  bridge: 'iproute2',
  etcd: 'etcd-server',
  etcdctl: 'etcd-client',
  ip: 'iproute2',
  iperf3: 'iperf3',
  nsenter: 'util-linux',
  ping: 'iputils-ping',
  sysctl: 'procps',
  unshare: 'util-linux',
};

/** @throws Error naming all programs that `path` lacks, with their packages. */
export function requireLabTools(path: string): void {
  const missing = Object.keys(PACKAGES).filter((name) => !isExecutable(name, path));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((name) => PACKAGES[name]!))];
  throw new Error(
    `A lab needs ${missing.join(', ')}, which this machine lacks: as root apt-get install ${packages.join(' ')}`,
  );
}

function isExecutable(name: string, path: string): boolean {
  return path.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
