// Changes of this network namespace by iproute2, as an administrator or another daemon makes them.
// Only for root.
import { execFileSync } from 'node:child_process';
import type { ExternalActor } from '../compliance/kernel.ts';

/**
 * Runs `ip` with the arguments in `line`, separated by spaces; returns its output.
 * @throws Error with its error output
 */
export function ip(line: string): string {
  return execFileSync('ip', line.split(' '), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Runs lines of `ip` in one process, each of which would cost 20 ms of processor time. @throws with its error output */
export function ipBatch(lines: readonly string[]): void {
  const input = lines.map((line) => `${line}\n`).join('');
  execFileSync('ip', ['-batch', '-'], { input, stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Runs `bridge` like {@link ip}. */
export function bridge(line: string): string {
  return execFileSync('bridge', line.split(' '), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

const family = (text: string): string => (text.includes(':') ? '-6 ' : '');

export const externalActor: ExternalActor = {
  addBridge: (name) => void ip(`link add ${name} type bridge`),
  addTun: (name) => void ip(`tuntap add dev ${name} mode tun`),
  deleteLink: (name) => void ip(`link delete ${name}`),
  deleteFouPort: ({ local, port }) =>
    void ip(`${family(local)}fou del port ${port} local ${local} ipproto ${local.includes(':') ? 41 : 4}`),
  setLink: (name, { isUp, mtu }) => {
    if (mtu !== undefined) ip(`link set ${name} mtu ${mtu}`);
    if (isUp !== undefined) ip(`link set ${name} ${isUp ? 'up' : 'down'}`);
  },
  addAddress: (dev, address) => void ip(`address add ${address} dev ${dev}`),
  deleteAddress: (dev, address) => void ip(`address delete ${address} dev ${dev}`),
  setNeighbour: ({ dev, address, mac }) =>
    void ip(`neighbour replace ${address} lladdr ${mac} dev ${dev} nud permanent`),
  deleteNeighbour: ({ dev, address }) => void ip(`neighbour delete ${address} dev ${dev}`),
  setFdb: ({ dev, mac, destination }) =>
    void bridge(`fdb replace ${mac} dev ${dev} dst ${destination} self permanent`),
  deleteFdb: ({ dev, mac }) => void bridge(`fdb delete ${mac} dev ${dev} self`),
  replaceRoute: (route) => {
    const args = [
      `${family(route.destination)}route replace`,
      ...(route.type === 'blackhole' ? ['blackhole'] : []),
      route.destination,
      ...(route.gateway === undefined ? [] : [`via ${route.gateway}`]),
      ...(route.dev === undefined ? [] : [`dev ${route.dev}`]),
      ...(route.protocol === undefined ? [] : [`proto ${route.protocol}`]),
      ...(route.metric === undefined ? [] : [`metric ${route.metric}`]),
      ...(route.isOnLink ? ['onlink'] : []),
    ];
    ip(args.join(' '));
  },
  deleteRoute: (destination) => void ip(`${family(destination)}route delete ${destination}`),
};
