// Checks of encapsulation in userspace: socket buffers for bursts.
import type { Check } from './check.ts';
import type { Facts } from './facts.ts';

/** Buffer that the packet path requests for each direction. */
const REQUESTED_BYTES = 4 << 20;

/** Memory of a socket as ss(8) shows it. */
export interface SocketMemory {
  /** Sizes in force. */
  readonly receiveBytes: number;
  readonly sendBytes: number;
  readonly drops: number;
}

/** From `ss -m`; the kernel doubles the requested size (socket(7), SO_RCVBUF). */
export function parseSocketMemory(text: string): readonly SocketMemory[] {
  return [...text.matchAll(/skmem:\(r\d+,rb(\d+),t\d+,tb(\d+),[^)]*?d(\d+)\)/g)].map(([, rb, tb, drops]) => ({
    receiveBytes: Number(rb) / 2,
    sendBytes: Number(tb) / 2,
    drops: Number(drops),
  }));
}

const socketBuffers: Check = {
  id: 'socket-buffers',
  about: 'in userspace: whether the sockets of the packet path have the requested buffers',
  run: async (facts) => {
    const [status, devices] = await Promise.all([facts.status, facts.devices]);
    if (status?.network?.encapsulation !== 'userspace') return [];
    const ports = new Set(devices?.devices.flatMap(({ tunnel }) => (tunnel?.type === 'tun' ? [tunnel.port] : [])));
    const lines = await Promise.all([...ports].map((port) => describeSmall(facts, port)));
    const evidence = lines.flat();
    if (evidence.length === 0) return [];
    return [
      {
        severity: 'warning',
        title: 'The sockets of the packet path have smaller buffers than requested',
        evidence: [...evidence, ...(await describeLimits(facts))],
        impact: 'The kernel drops bursts before the packet path reads them',
        fix: 'sysctl -w net.core.rmem_max=4194304 net.core.wmem_max=4194304, in /etc/sysctl.d to keep it; then systemctl restart weft. CAP_NET_ADMIN of the host needs neither',
      },
    ];
  },
};

async function describeSmall(facts: Facts, port: number): Promise<readonly string[]> {
  const filter = `sport = :${port}`;
  const sockets = parseSocketMemory((await facts.program('ss', '-Huanm', filter)) ?? '');
  return sockets
    .filter(({ receiveBytes, sendBytes }) => Math.min(receiveBytes, sendBytes) < REQUESTED_BYTES)
    .map(
      ({ receiveBytes, sendBytes, drops }) =>
        `ss -uanm '${filter}': ${kibibytes(receiveBytes)} to receive and ${kibibytes(sendBytes)} to send of ${kibibytes(REQUESTED_BYTES)} each, ${drops} datagrams dropped`,
    );
}

async function describeLimits(facts: Facts): Promise<readonly string[]> {
  const names = ['net/core/rmem_max', 'net/core/wmem_max'];
  const values = await Promise.all(names.map((name) => facts.sysctl(name)));
  // A network namespace may lack these files: the limit belongs to the host.
  return names.flatMap((name, index) =>
    values[index] === undefined ? [] : [`${name.replaceAll('/', '.')} = ${values[index]}`],
  );
}

const kibibytes = (bytes: number): string => `${Math.floor(bytes / 1024)} KiB`;

export const USERSPACE_CHECKS: readonly Check[] = [socketBuffers];
