// Checks of encapsulation in userspace: socket buffers for bursts, and what the kernel's IP in UDP
// does in its place.
import type { Check, Found } from './check.ts';
import type { Facts } from './facts.ts';
import type { DatapathOptions } from '../../daemon/host/datapath-mode.ts';

/** Buffer that the packet path requests for each direction. */
const REQUESTED_BYTES = 4 << 20;
const FOU_MODULES = ['fou', 'ipip'];

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
    const ports = new Set(
      devices?.devices.flatMap(({ tunnel }) => (tunnel?.type === 'tun' ? [tunnel.port] : [])),
    );
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

const udpKernel: Check = {
  id: 'udp-kernel',
  about: "with udp: whether the kernel's FOU is used, and checks who sends",
  run: async (facts) => {
    const devices = (await facts.devices)?.devices ?? [];
    const tunnels = devices.flatMap(({ name, tunnel }) => (tunnel ? [{ name, ...tunnel }] : []));
    const inKernel = tunnels.filter(({ type }) => type === 'fou');
    if (inKernel.length > 0) return [uncheckedSources(inKernel)];
    const inUserspace = tunnels.filter(
      ({ type, encapsulation }) => type === 'tun' && encapsulation === 'udp',
    );
    return inUserspace.length === 0
      ? []
      : unusedFou(
          facts,
          inUserspace.map(({ name }) => name),
        );
  },
};

function uncheckedSources(tunnels: readonly { readonly name: string; readonly port: number }[]): Found {
  const ports = [...new Set(tunnels.map(({ port }) => port))].join(', ');
  return {
    severity: 'warning',
    title: "The kernel's FOU delivers packets of any sender to containers",
    evidence: tunnels.map(({ name, port }) => `${name}: IP in UDP by the kernel, UDP port ${port}`),
    impact: 'A host that is no peer can send into the cluster network, with any source address',
    fix: `a firewall that lets UDP port ${ports} and IP protocols 4 and 41 pass from peers alone; or "Userspace": true, which checks sources`,
  };
}

/** Not where weft could use FOU and no module is loaded: most hosts have no need of it. */
async function unusedFou(facts: Facts, devices: readonly string[]): Promise<readonly Found[]> {
  const modules = (await facts.file('proc/modules')) ?? '';
  const isLoaded = FOU_MODULES.every((module) => new RegExp(`^${module} `, 'm').test(modules));
  if (!isLoaded || !(await isHeldBySourceCheck(facts))) return [];
  return [
    {
      severity: 'warning',
      title: 'The kernel has FOU for udp, and is not used: it does not check who sends',
      evidence: [
        ...devices.map((name) => `${name}: a TUN device, in userspace`),
        `/proc/modules: ${FOU_MODULES.join(' and ')} are loaded`,
        '"Userspace" is "auto", and --no-source-check is not given',
      ],
      impact: 'Packets are copied or pass a BPF program, where the kernel would do neither',
      fix: '"Userspace": true to check senders, and no module; --no-source-check where a firewall checks them',
    },
  ];
}

/** Whether the source check alone keeps `auto` of udp from the kernel. */
async function isHeldBySourceCheck(facts: Facts): Promise<boolean> {
  const options = facts.options?.options as Partial<DatapathOptions> | undefined;
  const config = await facts.config;
  if (options?.tuning === undefined || config?.backend.type !== 'udp') return false;
  return (options.userspace ?? config.backend.userspace) === 'auto' && options.tuning.isSourceChecked;
}

export const USERSPACE_CHECKS: readonly Check[] = [socketBuffers, udpKernel];
