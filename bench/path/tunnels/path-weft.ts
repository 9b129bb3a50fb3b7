// Candidates of weft's own: its userspace path at both ends with either encapsulation, and against the kernel's VXLAN.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Encapsulation, PathRoute } from '../../../native/packet-path.ts';
import type { EndCommand, EndConfig, EndStatus } from './path-end.ts';
import { addVxlanDevice, VXLAN_OVERHEAD_BYTES, VXLAN_PORT } from './path-kernel.ts';
import { DEVICE, OVERLAY, PEER_COUNT, PEER_REMOTES, VNI } from './path-plan.ts';
import type { Program } from '../path-process.ts';
import { otherOf, routePeers, type Candidate, type Tunnel, type Tuning } from './path-tunnel.ts';
import type { PathHost, HostPair } from './path-underlay.ts';

const END = join(dirname(fileURLToPath(import.meta.url)), 'path-end.js');
const UDP_PORT = 8285;
/** Outer IPv4 and UDP header. */
const UDP_OVERHEAD_BYTES = 28;

/** As weft is: a BPF program in the kernel moves what it can. */
export const weftUdp = weftCandidate('weft-udp', { encapsulation: 'udp', far: 'weft', useBpf: true });
export const weftVxlan = weftCandidate('weft-vxlan', {
  encapsulation: 'vxlan',
  far: 'weft',
  useBpf: true,
});
export const weftVxlanKernel = weftCandidate('weft-vxlan-kernel', {
  encapsulation: 'vxlan',
  far: 'kernel',
  useBpf: true,
});
/** Each packet through the workers, as where the kernel has no BPF. */
export const weftUdpWorkers = weftCandidate('weft-udp-workers', {
  encapsulation: 'udp',
  far: 'weft',
  useBpf: false,
});
export const weftVxlanWorkers = weftCandidate('weft-vxlan-workers', {
  encapsulation: 'vxlan',
  far: 'weft',
  useBpf: false,
});

function weftCandidate(name: string, make: Omit<Make, 'tuning'>): Candidate {
  return {
    name,
    needs: [],
    peers: make.far === 'weft' ? 'own-remotes' : 'same-remote',
    open: (underlay, tuning) => openTunnel(underlay, { ...make, tuning }),
  };
}

interface Make {
  readonly encapsulation: Encapsulation;
  /** What host b has. */
  readonly far: 'weft' | 'kernel';
  readonly useBpf: boolean;
  readonly tuning: Tuning;
}

async function openTunnel(underlay: HostPair, make: Make): Promise<Tunnel> {
  const endA = await startEnd(underlay, underlay.a, make);
  let endB: Program | undefined;
  if (make.far === 'weft') endB = await startEnd(underlay, underlay.b, make);
  else await addVxlanDevice(underlay, underlay.b);
  return {
    to: OVERLAY.b.address,
    mtu: overlayMtu(underlay, make),
    device: { name: DEVICE, source: OVERLAY.a.address },
    get ends() {
      return endB ? [endA, endB] : [endA];
    },
    async addPeers(haveOwnRemotes) {
      if (haveOwnRemotes) {
        await endB?.stop();
        endB = await startEnd(underlay, underlay.b, make, '0.0.0.0');
        await underlay.b.ip(`route replace local ${PEER_REMOTES} dev lo`);
        await underlay.a.ip(`route replace ${PEER_REMOTES} via ${underlay.b.underlay}`);
      }
      await sendCommand(endA, { peers: { count: PEER_COUNT, haveOwnRemotes } });
      await routePeers(underlay, `dev ${DEVICE}`);
    },
    describe: async () => ({
      a: await sendCommand(endA, {}),
      ...(endB ? { b: await sendCommand(endB, {}) } : {}),
    }),
    workerBytes: async () => (await sendCommand(endA, {})).pathBytes / make.tuning.workers,
  };
}

function overlayMtu(underlay: HostPair, { encapsulation }: Make): number {
  return underlay.mtu - (encapsulation === 'udp' ? UDP_OVERHEAD_BYTES : VXLAN_OVERHEAD_BYTES);
}

/** `local`: what the sockets are bound to, if not to the host's underlay address. */
function startEnd(underlay: HostPair, host: PathHost, make: Make, local = host.underlay): Promise<Program> {
  const other = otherOf(underlay, host);
  const [own, far] = [OVERLAY[host.name], OVERLAY[other.name]];
  const isVxlan = make.encapsulation === 'vxlan';
  const port = isVxlan ? VXLAN_PORT : UDP_PORT;
  const route: PathRoute = { destination: far.subnet, remote: other.underlay, port };
  const config: EndConfig = {
    device: {
      name: DEVICE,
      encapsulation: make.encapsulation,
      local,
      port,
      ...(isVxlan ? { vni: VNI, mac: own.mac } : {}),
    },
    tuning: { ...make.tuning, isSourceChecked: true, inheritsDscp: false, useBpf: make.useBpf },
    mtu: overlayMtu(underlay, make),
    address: own.address,
    route: isVxlan ? { ...route, mac: far.mac } : route,
  };
  return host.startReady([process.execPath, END, JSON.stringify(config)]);
}

async function sendCommand(end: Program, command: EndCommand): Promise<EndStatus> {
  return JSON.parse(await end.ask(JSON.stringify(command))) as EndStatus;
}
