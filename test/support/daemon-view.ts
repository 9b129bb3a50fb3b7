// What a daemon in a lab says of itself, and the routes of its host: questions that several lab suites ask.
import { readFile } from 'node:fs/promises';
import { HEALTH_PORT } from '../../lab/daemon-command.ts';
import type { Lab } from '../../lab/lab.ts';
import { waitFor } from '../../lab/wait.ts';
import { ask } from './lab-suite.ts';

/** Status and body of `/readyz?verbose`; status 0 if nobody answers. */
export async function askReadyz(
  lab: Lab,
  name: string,
): Promise<{ readonly status: number; readonly body: string }> {
  const url = `http://127.0.0.1:${HEALTH_PORT}/readyz?verbose`;
  const print = 'console.log(JSON.stringify({ status: r.status, body: await r.text() }))';
  const script = `fetch('${url}').then(async (r) => ${print}, () => console.log('{"status":0,"body":""}'))`;
  return JSON.parse(await lab.check(name, [process.execPath, '-e', script])) as {
    status: number;
    body: string;
  };
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

/** Has the program that keeps the descriptors of a host's daemon (`fd-store`) start another, and waits until that is ready. */
export async function restartKept(lab: Lab, name: string): Promise<void> {
  const starts = async () => (await logOf(lab, name)).split('INFO  Ready ').length;
  const before = await starts();
  await lab.stopDaemon(name, 'HUP');
  await waitFor('the daemon to be ready again', async () => (await starts()) > before, 60_000);
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
