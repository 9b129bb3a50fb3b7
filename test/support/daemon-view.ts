// Status of a daemon in a lab, and the routes of its host: queries that several lab suites share.
import { readFile } from 'node:fs/promises';
import { HEALTH_PORT } from '../../lab/daemon-command.ts';
import type { Lab } from '../../lab/lab.ts';
import { waitFor } from '../../lab/wait.ts';
import { ask } from './lab-suite.ts';

/** Status and body of `/readyz?verbose`; status 0 without an answer. */
export async function askReadyz(
  lab: Lab,
  name: string,
): Promise<{ readonly status: number; readonly body: string }> {
  const request = String.raw`GET /readyz?verbose HTTP/1.0\r\n\r\n`;
  const script = `exec 3<>/dev/tcp/127.0.0.1/${HEALTH_PORT} && printf '${request}' >&3 && cat <&3`;
  const { code, stdout } = await lab.query(name, ['bash', '--norc', '-c', script]);
  if (code !== 0) return { status: 0, body: '' };
  const [head = '', ...body] = stdout.split('\r\n\r\n');
  return { status: Number(head.split(' ')[1]), body: body.join('\r\n\r\n') };
}

/** Everything that a host's daemon has logged. */
export function logOf(lab: Lab, name: string): Promise<string> {
  return readFile(`${lab.logFolder}/${name}.log`, 'utf8').catch(() => '');
}

/** Waits until a host's daemon has logged a line that matches. */
export async function waitForLogLine(lab: Lab, name: string, pattern: RegExp): Promise<void> {
  const isThere = async () => pattern.test(await logOf(lab, name));
  await waitFor(`${name} to log ${String(pattern)}`, isThere, 60_000, 50);
}

/** Restarts a host's daemon under the descriptor store (`fd-store`), and waits until it is ready. */
export async function restartKept(lab: Lab, name: string): Promise<void> {
  const starts = async () => (await logOf(lab, name)).split('INFO  Ready ').length;
  const before = await starts();
  await lab.stopDaemon(name, 'HUP');
  await waitFor('the restarted daemon to be ready', async () => (await starts()) > before, 60_000);
}

export interface RouteView {
  readonly dst: string;
  readonly gateway?: string;
  readonly dev: string;
  readonly protocol: string;
  readonly flags: readonly string[];
}

/** The unicast routes of a host's main table, without those of its links; or the one to `subnet`. */
export async function routesOf(lab: Lab, name: string, subnet = ''): Promise<RouteView[]> {
  const rows = await ask<RouteView & { type: string }>(lab, name, `ip -j -d route show ${subnet}`.trim());
  return rows
    .filter(({ type, protocol, dst }) => type === 'unicast' && protocol !== 'kernel' && dst !== 'default')
    .map(({ dst, gateway, dev, protocol, flags }) => ({
      dst,
      ...(gateway !== undefined && { gateway }),
      dev,
      protocol,
      flags,
    }));
}

/** Names of a host's devices that weft or flannel made. */
export async function overlayDevicesOf(lab: Lab, name: string): Promise<string[]> {
  const links = await ask<{ ifname: string }>(lab, name, 'ip -j link show');
  return links.map((link) => link.ifname).filter((device) => device.startsWith('flannel'));
}

/** Keys below `subnets/` in etcd, without the folder. */
export async function leaseKeys(lab: Lab): Promise<string[]> {
  const folder = '/coreos.com/network/subnets/';
  const output = await lab.etcdctl(['get', '--prefix', '--keys-only', folder]);
  return output.split('\n').flatMap((line) => (line.startsWith(folder) ? [line.slice(folder.length)] : []));
}

/** Writes a lease as another host would. */
export async function putLease(lab: Lab, key: string, value: object): Promise<void> {
  await lab.etcdctl(['put', `/coreos.com/network/subnets/${key}`, JSON.stringify(value)]);
}
