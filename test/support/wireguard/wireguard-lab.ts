// What suites of the backend wireguard share: a watch on the underlay for packets in the clear, and a host of flannel by its
// facts: device, address, route of the whole network, and peers as it takes them from leases.
import { WIREGUARD_SOCKETS, wireguardFolderOf } from '../../../lab/daemon-command.ts';
import type { Lab } from '../../../lab/lab.ts';
import { waitFor } from '../../../lab/wait.ts';
import { putLease } from '../daemon-view.ts';

/**
 * Counts what leaves `host` and should not: overlay packets as they are, and VXLAN packets to a host that got a WireGuard packet
 * with content before (type 4, more than a keepalive's 40 bytes of UDP).
 */
const WATCH = `table ip watch {
  set encrypted { type ipv4_addr; }
  counter clear {}
  counter late {}
  counter encrypted {}
  chain out {
    type filter hook postrouting priority 400;
    oifname != "eth0" return
    ip daddr 10.5.0.0/16 counter name clear
    ip saddr 10.5.0.0/16 counter name clear
    udp dport 8472 ip daddr @encrypted counter name late
    udp dport 51820-51829 udp length > 40 @th,64,8 4 counter name encrypted add @encrypted { ip daddr }
  }
}`;

export interface ClearPackets {
  /** Overlay packets without any tunnel. */
  readonly clear: number;
  /** VXLAN packets after encrypted ones. */
  readonly late: number;
  readonly encrypted: number;
}

/** Begins to watch, with counters at 0. */
export async function watchUnderlay(lab: Lab, host: string): Promise<void> {
  await lab.exec(host, ['nft', 'delete', 'table', 'ip', 'watch']);
  await lab.check(host, ['nft', '-f', '-'], { input: WATCH });
}

export async function packetsInClear(lab: Lab, host: string): Promise<ClearPackets> {
  const text = await lab.check(host, ['nft', 'list', 'counters', 'table', 'ip', 'watch']);
  const of = (name: string): number =>
    Number(new RegExp(String.raw`counter ${name} \{\s*packets (\d+)`).exec(text)?.[1] ?? NaN);
  return { clear: of('clear'), late: of('late'), encrypted: of('encrypted') };
}

/** A WireGuard device of a host, as `wg` shows it. */
export interface WgPeer {
  readonly publicKey: string;
  readonly endpoint: string;
  readonly allowedIps: string;
  readonly handshakeSec: number;
  readonly keepalive: string;
}

/** Peers of a device. Sockets of programs are those of the host. */
export async function wgPeers(lab: Lab, host: string, device = 'flannel-wg'): Promise<readonly WgPeer[]> {
  const dump = await wg(lab, host, ['show', device, 'dump']);
  return dump
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => {
      const [publicKey = '', , endpoint = '', allowedIps = '', handshake = '0', , , keepalive = ''] =
        line.split('\t');
      return { publicKey, endpoint, allowedIps, handshakeSec: Number(handshake), keepalive };
    });
}

/** Runs `wg` on a host. */
export function wg(lab: Lab, host: string, args: readonly string[], input?: string): Promise<string> {
  // Standard input is a socket, which wg cannot open by name.
  const run = input === undefined ? 'exec wg "$@"' : 'cat | wg "$@"';
  const script = `mount --bind ${wireguardFolderOf(host)} ${WIREGUARD_SOCKETS} && ${run}`;
  return lab.check(host, ['sh', '-c', script, 'sh', ...args], input === undefined ? {} : { input });
}

/** A host that behaves as flannel's facts say, with the private key `key` in base64. */
export class FlannelHost {
  readonly #lab: Lab;
  readonly #name: string;
  readonly #subnet: string;

  constructor(lab: Lab, name: string, subnet: string) {
    this.#lab = lab;
    this.#name = name;
    this.#subnet = subnet;
  }

  /** Makes device, address, route and the container's addresses, and publishes the lease. */
  async start(): Promise<void> {
    const [lab, name] = [this.#lab, this.#name];
    const gateway = this.#subnet.replace(/0\/24$/, '1/24');
    const container = this.#subnet.replace(/0\/24$/, '2/24');
    const { container: netns, publicIp } = lab.host(name);
    const make = `mount --bind ${wireguardFolderOf(name)} ${WIREGUARD_SOCKETS}; ip link add flannel-wg type wireguard || setsid wireguard-go flannel-wg`;
    await lab.check(name, ['sh', '-c', `(${make}) >&2`]);
    const privateKey = (await lab.check(name, ['wg', 'genkey'])).trim();
    const publicKey = (await lab.check(name, ['wg', 'pubkey'], { input: privateKey })).trim();
    await wg(
      lab,
      name,
      ['set', 'flannel-wg', 'private-key', '/dev/stdin', 'listen-port', '51820'],
      privateKey,
    );
    for (const command of [
      `link set flannel-wg mtu 1420 up`,
      `address add ${this.#subnet.replace('/24', '/32')} dev flannel-wg`,
      `route replace 10.5.0.0/16 dev flannel-wg scope link`,
      `link add veth0 type veth peer name eth0 netns ${netns}`,
      `address add ${gateway} dev veth0`,
      `link set veth0 up`,
    ])
      await lab.check(name, ['ip', ...command.split(' ')]);
    for (const command of [
      `address add ${container} dev eth0`,
      'link set eth0 mtu 1420 up',
      `route add default via ${gateway.split('/')[0]}`,
    ])
      await lab.check(netns, ['ip', ...command.split(' ')]);
    await lab.check(name, ['sysctl', '-qw', 'net.ipv4.ip_forward=1']);
    await putLease(lab, this.#subnet.replace('/', '-'), {
      PublicIP: publicIp,
      PublicIPv6: null,
      BackendType: 'wireguard',
      BackendData: { PublicKey: publicKey, Port: 51820 },
    });
  }

  /** Takes a lease as flannel takes an event: allowed IPs go to the key that it names. */
  async follow(key: string): Promise<void> {
    const text = await this.#lab.etcdctl(['get', '--print-value-only', `/coreos.com/network/subnets/${key}`]);
    const { PublicIP: ip, BackendData: data } = JSON.parse(text) as {
      readonly PublicIP: string;
      readonly BackendData: { readonly PublicKey: string; readonly Port: number };
    };
    const subnet = key.replace('-', '/');
    const peer = ['peer', data.PublicKey, 'endpoint', `${ip}:${data.Port}`, 'persistent-keepalive', '0'];
    await wg(this.#lab, this.#name, ['set', 'flannel-wg', ...peer, 'allowed-ips', subnet]);
  }

  /** Address of its container. */
  get containerAddress(): string {
    return this.#subnet.replace(/0\/24$/, '2');
  }

  async isReachedFrom(container: string): Promise<boolean> {
    const ping = ['ping', '-q', '-c', '1', '-W', '1', this.containerAddress];
    return (await this.#lab.query(container, ping)).code === 0;
  }

  waitUntilReachedFrom(container: string): Promise<void> {
    return waitFor(`${container} to reach the host of flannel`, () => this.isReachedFrom(container), 60_000);
  }
}
