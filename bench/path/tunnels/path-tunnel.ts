// What the path benchmark measures: a tunnel between hosts a and b of the underlay, in one of several makes.
import { DEVICE, OVERLAY, PEER_SUBNETS } from './path-plan.ts';
import type { Program } from '../path-process.ts';
import type { PathHost, HostPair } from './path-underlay.ts';

export interface PacketDevice {
  readonly name: string;
  /** Own address of a, which the packets come from. */
  readonly source: string;
  /** Of host b, where the device has link addresses. */
  readonly mac?: string;
}

/** A process that packets pass through, and what it costs. */
export interface TunnelEnd {
  readonly name: string;
  /** The end of its output, for an error. */
  readonly output: string;
  /** CPU time that it has used so far, in seconds, of all its threads, user and system. */
  cpuSeconds(): Promise<number>;
  /** Anonymous memory: what is its own and no file's, in bytes. */
  anonymousBytes(): Promise<number>;
}

/** A tunnel that is up; it goes with its underlay. */
export interface Tunnel {
  /** Address of b inside. */
  readonly to: string;
  /** Of its device, in bytes. */
  readonly mtu: number;
  /** Its device at a, if that takes IP packets without neighbour resolution. */
  readonly device?: PacketDevice;
  /** Processes that packets pass through at a and at b; the kernel's own tunnels have none. */
  readonly ends: readonly TunnelEnd[];
  /**
   * Gives host a {@link PEER_COUNT} peers, all of them host b: each at an underlay address of its own, or all at the same.
   * Missing: it cannot have so many. @throws Error if it cannot have them at addresses of their own.
   */
  addPeers?(haveOwnRemotes: boolean): Promise<void>;
  /** Status of its ends, for the record. */
  describe?(): Promise<Readonly<Record<string, unknown>>>;
  /** Anonymous memory that a worker of the path at a takes, in bytes; missing where a process is all there is to see. */
  workerBytes?(): Promise<number>;
}

export interface Tuning {
  readonly workers: number;
  readonly sourcePorts: number;
}

export interface Candidate {
  readonly name: string;
  /** Commands that must be installed. */
  readonly needs: readonly string[];
  /** Whether {@link Tunnel.addPeers} takes peers at the same or even at own underlay addresses. */
  readonly peers: 'none' | 'same-remote' | 'own-remotes';
  open(underlay: HostPair, tuning: Tuning): Promise<Tunnel>;
}

/** The other end of a tunnel. */
export function otherOf(underlay: HostPair, host: PathHost): PathHost {
  return host === underlay.a ? underlay.b : underlay.a;
}

/** Address, MTU and route of a device that a candidate's program has made, or makes soon. */
export async function setUpDevice(host: PathHost, program: Program, mtu: number): Promise<void> {
  const exists = () =>
    host.ip(`link show ${DEVICE}`).then(
      () => true,
      () => false,
    );
  await program.waitUntil(`device ${DEVICE} is there`, exists);
  await host.ip(`addr replace ${OVERLAY[host.name].address}/32 dev ${DEVICE}`);
  await host.ip(`link set ${DEVICE} mtu ${mtu} up`);
  await host.ip(`route replace ${OVERLAY[host.name === 'a' ? 'b' : 'a'].subnet} dev ${DEVICE}`);
}

/** Host b acts as all peers; host a reaches them through `via`, arguments of `ip route`. */
export async function routePeers(underlay: HostPair, via: string): Promise<void> {
  await underlay.b.ip(`route replace local ${PEER_SUBNETS} dev lo`);
  await underlay.a.ip(`route replace ${PEER_SUBNETS} ${via}`);
}
