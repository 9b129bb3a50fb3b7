// Competitors: tunnels in userspace from distribution packages. None encrypts unless its comment states it.
import { join } from 'node:path';
import { packageRoot } from '../../../lab/package-root.ts';
import { DEVICE, OVERLAY } from './path-plan.ts';
import { run, type Program } from '../path-process.ts';
import { otherOf, setUpDevice, type Candidate, type Tunnel } from './path-tunnel.ts';
import type { PathHost, HostPair } from './path-underlay.ts';

const PORT = 9000;
/** What bench/traffic/copyrelay.c puts in front of a packet: its frame and the virtio header. */
const COPY_RELAY_BYTES = 18;

/** fastd with method null, in tun mode: outer IPv4 and UDP header, and one byte of its own. */
export const fastd: Candidate = {
  name: 'fastd',
  needs: ['fastd'],
  peers: 'none',
  async open(underlay) {
    const secrets = { a: await newSecret(), b: await newSecret() };
    const keys = { a: await publicKeyOf(secrets.a), b: await publicKeyOf(secrets.b) };
    return openCompetitor(underlay, 29, (host, other) => {
      const config = [
        `mode tun; interface "${DEVICE}"; mtu ${underlay.mtu - 29}; method "null"; log level warn;`,
        `bind ${host.underlay}:${PORT}; secret "${secrets[host.name]}";`,
        `peer "${other.name}" { key "${keys[other.name]}"; remote ${other.underlay}:${PORT}; }`,
      ];
      const program = host.start(['fastd', '--config', '-']);
      program.endInput(config.join('\n'));
      return program;
    });
  },
};

async function newSecret(): Promise<string> {
  return (await run(['fastd', '--generate-key', '--machine-readable'])).trim();
}

async function publicKeyOf(secret: string): Promise<string> {
  const config = `secret "${secret}"; bind any; method "null";`;
  const shown = await run(['fastd', '--show-key', '--machine-readable', '--config', '-'], { input: config });
  return shown.trim();
}

/** socat between a TUN device and a UDP socket: the packet as it is, one at a time. */
export const socat: Candidate = {
  name: 'socat',
  needs: ['socat'],
  peers: 'none',
  open: (underlay) =>
    openCompetitor(underlay, 28, (host, other) => {
      const tun = `TUN:${OVERLAY[host.name].address}/32,tun-name=${DEVICE},iff-no-pi,iff-up`;
      const udp = `UDP4-DATAGRAM:${other.underlay}:${PORT},bind=${host.underlay}:${PORT}`;
      // Its usual buffer cuts packets of more than 8 KiB.
      return host.start(['socat', '-b', '65536', tun, udp]);
    }),
};

/**
 * A control: a process that copies packets between a TUN device and a socket and does nothing else, in as few system
 * calls as the workers of the packet path. It bounds what such a process reaches.
 */
export const copyRelay: Candidate = {
  name: 'copy-relay',
  needs: [],
  peers: 'none',
  open: (underlay) =>
    openCompetitor(underlay, 28 + COPY_RELAY_BYTES, (host, other) =>
      host.start([
        join(packageRoot(), '.build/traffic/copyrelay'),
        DEVICE,
        host.underlay,
        other.underlay,
        String(PORT),
      ]),
    ),
};

/** wireguard-go, which cannot but encrypt: IPv4, UDP, 16 bytes of header and 16 of tag, the packet padded to 16. */
export const wireguardGo: Candidate = {
  name: 'wireguard-go',
  needs: ['wireguard-go', 'wg'],
  peers: 'none',
  async open(underlay) {
    const secrets = { a: (await run(['wg', 'genkey'])).trim(), b: (await run(['wg', 'genkey'])).trim() };
    // Its control sockets have one folder on the whole machine, so each has a /run of its own.
    const script = `mount -t tmpfs tmpfs /run && exec wireguard-go --foreground ${DEVICE}`;
    const start = (host: PathHost): Program => host.start(['unshare', '--mount', 'sh', '-c', script]);
    const tunnel = await openCompetitor(underlay, 60, start);
    for (const [index, host] of underlay.hosts.entries()) {
      const other = otherOf(underlay, host);
      const key = (await run(['wg', 'pubkey'], { input: secrets[other.name] })).trim();
      const peer = `peer ${key} endpoint ${other.underlay}:${PORT} allowed-ips 0.0.0.0/0`;
      // Through a pipe: standard input here is a socket, which cannot be opened by path.
      const set = `cat | wg set ${DEVICE} listen-port ${PORT} private-key /dev/stdin ${peer}`;
      const enter = ['nsenter', '-t', String(tunnel.ends[index]!.pid), '-m', '-n'];
      await run([...enter, 'sh', '-c', set], { input: secrets[host.name] });
    }
    return tunnel;
  },
};

/** A candidate that is one program at each end, which makes the device by itself. */
export async function openCompetitor(
  underlay: HostPair,
  overheadBytes: number,
  start: (host: PathHost, other: PathHost) => Program,
): Promise<Tunnel & { readonly ends: readonly Program[] }> {
  const mtu = underlay.mtu - overheadBytes;
  const ends = underlay.hosts.map((host) => start(host, otherOf(underlay, host)));
  for (const [index, host] of underlay.hosts.entries()) await setUpDevice(host, ends[index]!, mtu);
  return { to: OVERLAY.b.address, mtu, ends };
}
