// Candidates of the kernel: the bare veth, and VXLAN devices made as weft's vxlan backend makes them.
import { DEVICE, OVERLAY, PEER_COUNT, peer, VNI } from './path-plan.ts';
import { otherOf, routePeers, type Candidate } from './path-tunnel.ts';
import type { PathHost, HostPair } from './path-underlay.ts';

export const VXLAN_PORT = 8472;
/** Outer IPv4, UDP, VXLAN and inner Ethernet header. */
export const VXLAN_OVERHEAD_BYTES = 50;

export const veth: Candidate = {
  name: 'veth',
  needs: [],
  peers: 'same-remote',
  open: async (underlay) => ({
    to: underlay.b.underlay,
    mtu: underlay.mtu,
    device: { name: 'eth0', source: underlay.a.underlay, mac: await macOf(underlay.b) },
    ends: [],
    addPeers: () => routePeers(underlay, `via ${underlay.b.underlay}`),
  }),
};

export const kernelVxlan: Candidate = {
  name: 'kernel-vxlan',
  needs: ['bridge'],
  // One VTEP answers to one MAC, so host b cannot be many of them.
  peers: 'same-remote',
  async open(underlay) {
    for (const host of underlay.hosts) await addVxlanDevice(underlay, host);
    return {
      to: OVERLAY.b.address,
      mtu: underlay.mtu - VXLAN_OVERHEAD_BYTES,
      ends: [],
      addPeers: () => addPeers(underlay),
    };
  },
};

async function macOf(host: PathHost): Promise<string> {
  return (await host.run(['cat', '/sys/class/net/eth0/address'])).trim();
}

/** A VXLAN device with its one peer: neighbour, FDB entry and on-link route, none of them learned. */
export async function addVxlanDevice(underlay: HostPair, host: PathHost): Promise<void> {
  const other = otherOf(underlay, host);
  const [own, far] = [OVERLAY[host.name], OVERLAY[other.name]];
  const gateway = far.subnet.split('/')[0]!;
  const device = `${DEVICE} address ${own.mac} mtu ${underlay.mtu - VXLAN_OVERHEAD_BYTES}`;
  await host.ip(
    `link add ${device} type vxlan id ${VNI} local ${host.underlay} dev eth0 dstport ${VXLAN_PORT} nolearning`,
  );
  await host.ip(`link set ${DEVICE} up`);
  await host.ip(`addr add ${own.address}/32 dev ${DEVICE}`);
  await host.ip(`neigh add ${gateway} lladdr ${far.mac} dev ${DEVICE} nud permanent`);
  await host.run(`bridge fdb add ${far.mac} dev ${DEVICE} dst ${other.underlay} self permanent`.split(' '));
  await host.ip(`route add ${far.subnet} via ${gateway} dev ${DEVICE} onlink`);
}

async function addPeers(underlay: HostPair): Promise<void> {
  await routePeers(underlay, `dev ${DEVICE}`);
  let lines = '';
  for (let index = 0; index < PEER_COUNT; index++) {
    const { subnet } = peer(index);
    lines += `neigh replace ${subnet} lladdr ${OVERLAY.b.mac} dev ${DEVICE} nud permanent\n`;
    lines += `route replace ${subnet}/24 via ${subnet} dev ${DEVICE} onlink\n`;
  }
  await underlay.a.run(['ip', '-batch', '-'], { input: lines });
}
