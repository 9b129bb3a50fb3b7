// Command lines and paths of the daemons and clients of a lab. Pure but for the environment of this process.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from './package-root.ts';
import { ETCD_URL, type HostPlan } from './topology.ts';

/** Folder of a lab's own files on the sandbox's private /run. */
export const INSIDE = '/run/weft-lab';
/** Port of `/healthz` and `/readyz` on each host's loopback. */
export const HEALTH_PORT = 8471;

/**
 * Exits with 0 if `/readyz` answers 200. Polled while hosts start: bash costs a tenth of Node. With a socket as standard
 * input bash assumes rshd and reads ~/.bashrc, hence --norc.
 */
export const IS_READY_COMMAND: readonly string[] = [
  'bash',
  '--norc',
  '-c',
  `exec 3<>/dev/tcp/127.0.0.1/${HEALTH_PORT} && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && read -t 5 -r status <&3 && [[ $status == *' 200 '* ]]`,
];

/** Path, inside the sandbox, of a host's subnet.env. */
export function subnetFileOf(host: string): string {
  return `${INSIDE}/${host}/subnet.env`;
}

/** Path, inside the sandbox, of the control socket of a host's daemon. */
export function controlSocketOf(host: string): string {
  return `${INSIDE}/${host}/weft.sock`;
}

/**
 * Folder of a host for sockets of WireGuard programs, which take one path on all hosts: it is mounted
 * there in the mount namespace of the daemon, and outlives the daemon as its programs do.
 */
export function wireguardFolderOf(host: string): string {
  return `${INSIDE}/wireguard/${host}`;
}

/** The path that programs of WireGuard have compiled in. */
export const WIREGUARD_SOCKETS = '/run/wireguard';

/** Without the right to mount, only programs of WireGuard lack anything. */
const WITH_SOCKETS = `mount --bind "$0" ${WIREGUARD_SOCKETS} 2>/dev/null; exec "$@"`;

export function daemonCommand({ name, isInUserspace }: HostPlan, flags: readonly string[]): string[] {
  const health = ['--healthz-ip', '127.0.0.1', '--healthz-port', String(HEALTH_PORT)];
  const socket = ['--control-socket', controlSocketOf(name)];
  // Hosts of a lab share the machine's host name.
  const names = ['--host-name', name];
  const files = [...names, '--etcd-endpoints', ETCD_URL, '--subnet-file', subnetFileOf(name), ...socket];
  const key = `WIREGUARD_KEY_FILE=${INSIDE}/${name}/wgkey`;
  const node = [
    'sh',
    '-c',
    WITH_SOCKETS,
    wireguardFolderOf(name),
    'env',
    key,
    `WEFT_NODE=${process.execPath}`,
  ];
  const mode = isInUserspace ? ['--userspace=true'] : [];
  return [...node, weftProgram(), 'daemon', ...files, ...health, ...mode, ...flags];
}

/** Command prefix that puts `weft` on the PATH and points it at the daemon of `host`, if given. */
export function clientEnvironment(host: string | undefined): string[] {
  const path = `PATH=${dirname(weftProgram())}:${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
  const socket = host === undefined ? [] : [`WEFT_SOCKET=${controlSocketOf(host)}`];
  return ['env', path, `WEFT_NODE=${process.execPath}`, ...socket];
}

/** What a user's commands on a host need beyond {@link clientEnvironment}: this lab's etcd and subnet.env. */
export function userEnvironment(host: string | undefined): string[] {
  const etcd = [`FLANNELD_ETCD_ENDPOINTS=${ETCD_URL}`, `ETCDCTL_ENDPOINTS=${ETCD_URL}`, 'ETCDCTL_API=3'];
  return host === undefined ? etcd : [...etcd, `FLANNELD_SUBNET_FILE=${subnetFileOf(host)}`];
}

/** Defined by the bundler. */
declare const WEFT_VERSION: string | undefined;

/** The program of daemons: the bundle that contains this file, else `bin/weft` of the project. */
export function weftProgram(): string {
  if (typeof WEFT_VERSION === 'string') return fileURLToPath(import.meta.url);
  return join(packageRoot(), 'bin', 'weft');
}
