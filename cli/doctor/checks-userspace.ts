// What encapsulation in userspace needs of the kernel beside devices: room for bursts in its sockets.
import type { Check } from './check.ts';
import type { Facts } from './facts.ts';

/** What the packet path asks for, each way (native/path/socket.c). */
const REQUESTED_BYTES = 4 << 20;

/** A socket as ss(8) shows its memory. */
export interface SocketMemory {
  /** Sizes in force. */
  readonly receiveBytes: number;
  readonly sendBytes: number;
  readonly drops: number;
}

/** From `ss -m`; the kernel counts twice what a program asks for (socket(7), SO_RCVBUF). */
export function parseSocketMemory(text: string): readonly SocketMemory[] {
  return [...text.matchAll(/skmem:\(r\d+,rb(\d+),t\d+,tb(\d+),[^)]*?d(\d+)\)/g)].map(([, rb, tb, drops]) => ({
    receiveBytes: Number(rb) / 2,
    sendBytes: Number(tb) / 2,
    drops: Number(drops),
  }));
}

const socketBuffers: Check = {
  id: 'socket-buffers',
  about: 'in userspace: whether the sockets of the packet path have the room that they want',
  run: async (facts) => {
    const [status, devices] = await Promise.all([facts.status, facts.devices]);
    if (status?.network?.encapsulation !== 'userspace') return [];
    const ports = new Set(devices?.devices.flatMap(({ tunnel }) => (tunnel ? [tunnel.port] : [])));
    const lines = await Promise.all([...ports].map((port) => describeSmall(facts, port)));
    const evidence = lines.flat();
    if (evidence.length === 0) return [];
    return [
      {
        severity: 'warning',
        title: 'The sockets of the packet path have less room than they want',
        evidence: [...evidence, ...(await describeLimits(facts))],
        impact: 'Bursts of packets are dropped before the packet path has read them',
        fix: 'sysctl -w net.core.rmem_max=4194304 net.core.wmem_max=4194304, in /etc/sysctl.d to keep it; then systemctl restart weft. Root of the host itself needs neither',
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
  // A network namespace may have no such file: the limit is the host's.
  return names.flatMap((name, index) =>
    values[index] === undefined ? [] : [`${name.replaceAll('/', '.')} = ${values[index]}`],
  );
}

const kibibytes = (bytes: number): string => `${Math.floor(bytes / 1024)} KiB`;

export const USERSPACE_CHECKS: readonly Check[] = [socketBuffers];
