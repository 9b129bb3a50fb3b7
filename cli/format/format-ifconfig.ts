// Output of `weft ifconfig`, in the format of ifconfig(8). Pure.
import type { DevicesV1, DeviceV1 } from '../../api/index.ts';

/** Bits of ifr_flags (netdevice(7)). */
const FLAGS = { UP: 1, BROADCAST: 2, POINTOPOINT: 16, RUNNING: 64, NOARP: 128, MULTICAST: 4096 } as const;

type Flag = keyof typeof FLAGS;

export function formatDevices({ devices }: DevicesV1): string {
  return devices.map((device) => `${formatDevice(device)}\n`).join('\n');
}

function formatDevice(device: DeviceV1): string {
  const { name, mtu, addresses, counters } = device;
  const flags = flagsOf(device);
  const bits = flags.reduce((sum, flag) => sum + FLAGS[flag], 0);
  const lines = [
    `${name}: flags=${bits}<${flags.join(',')}>  mtu ${mtu}`,
    ...addresses.map(formatAddress),
    hardwareOf(device),
    tunnelOf(device),
    `RX packets ${counters.rxPackets}  bytes ${counters.rxBytes} (${binarySize(counters.rxBytes)})`,
    `RX errors ${counters.rxErrors}  dropped ${counters.rxDropped}  overruns ${counters.rxOverruns}  frame ${counters.rxFrame}`,
    `TX packets ${counters.txPackets}  bytes ${counters.txBytes} (${binarySize(counters.txBytes)})`,
    `TX errors ${counters.txErrors}  dropped ${counters.txDropped} overruns ${counters.txOverruns}  carrier ${counters.txCarrier}  collisions ${counters.collisions}`,
  ];
  const [first, ...rest] = lines.filter((line) => line !== undefined);
  return [first, ...rest.map((line) => `        ${line}`)].join('\n');
}

const POINT_TO_POINT: readonly Flag[] = ['POINTOPOINT', 'NOARP', 'MULTICAST'];

function flagsOf({ isUp, tunnel }: DeviceV1): readonly Flag[] {
  const kind: readonly Flag[] =
    tunnel === undefined || tunnel.type === 'vxlan' ? ['BROADCAST', 'MULTICAST'] : POINT_TO_POINT;
  return (Object.keys(FLAGS) as Flag[]).filter(
    (flag) => kind.includes(flag) || (isUp && (flag === 'UP' || flag === 'RUNNING')),
  );
}

const SCOPE_IDS: Readonly<Record<string, string>> = {
  global: '0x0<global>',
  site: '0x40<site>',
  link: '0x20<link>',
  host: '0x10<host>',
};

function formatAddress({ address, prefixLength, scope }: DeviceV1['addresses'][number]): string {
  if (!address.includes(':')) return `inet ${address}  netmask ${netmask(prefixLength)}`;
  return `inet6 ${address}  prefixlen ${prefixLength}  scopeid ${SCOPE_IDS[scope] ?? '0x0<global>'}`;
}

function netmask(prefixLength: number): string {
  const bits = prefixLength === 0 ? 0 : (0xffffffff << (32 - prefixLength)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join('.');
}

function hardwareOf({ mac, tunnel }: DeviceV1): string | undefined {
  if (tunnel?.type === 'tun') return 'unspec  (TUN device of the weft daemon)';
  return mac === undefined ? undefined : `ether ${mac}  (Ethernet)`;
}

/** The tunnel, which ifconfig does not print. */
function tunnelOf({ tunnel }: DeviceV1): string | undefined {
  if (tunnel === undefined) return undefined;
  const { encapsulation, vni, port, local, parent, hasChecksumOffload, isInUserspace } = tunnel;
  const id = encapsulation === 'vxlan' ? ` id ${vni}` : '';
  const dev = parent === undefined ? '' : `  dev ${parent}`;
  const offload =
    hasChecksumOffload === undefined ? '' : `  tx-checksum ${hasChecksumOffload ? 'on' : 'off'}`;
  if (encapsulation === 'wireguard')
    return `wireguard${isInUserspace === true ? ' in userspace' : ''}  port ${port}`;
  return `${encapsulation}${id}  port ${port}  local ${local}${dev}${offload}`;
}

/** As ifconfig prints it: `1.5 MiB`. */
function binarySize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let index = 0;
  for (; value >= 1024 && index < units.length - 1; index++) value /= 1024;
  return `${value.toFixed(1)} ${units[index]}`;
}
