// Candidates between two bare hosts that one veth joins: each has an underlay of its own.
import { fastd, socat, wireguardGo } from './path-competitors.ts';
import { kernelVxlan, veth } from './path-kernel.ts';
import type { PathCandidate } from './path-testbed.ts';
import { openVswitch, tinc, vtun } from './path-tunnelers.ts';
import type { Candidate } from './path-tunnel.ts';
import { Underlay } from './path-underlay.ts';
import { weftUdp, weftUdpWorkers, weftVxlan, weftVxlanKernel, weftVxlanWorkers } from './path-weft.ts';

export const BETWEEN_HOSTS: readonly PathCandidate[] = [
  veth,
  kernelVxlan,
  weftUdp,
  weftVxlan,
  weftVxlanKernel,
  weftUdpWorkers,
  weftVxlanWorkers,
  fastd,
  socat,
  openVswitch,
  tinc,
  vtun,
  wireguardGo,
].map(betweenHosts);

function betweenHosts(candidate: Candidate): PathCandidate {
  const { name, needs, peers } = candidate;
  return {
    name,
    needs,
    peers,
    families: [4],
    // It encrypts.
    ...(candidate === wireguardGo ? { isOptional: true as const } : {}),
    async open({ underlay: kind, mtu, tuning }) {
      const underlay = await Underlay.create({ underlay: kind, mtu });
      try {
        const tunnel = await candidate.open(underlay, tuning);
        const { a, b } = underlay;
        return { a, b, tunnel, fragments: () => underlay.fragments(), down: () => underlay.down() };
      } catch (error) {
        await underlay.down();
        throw error;
      }
    },
  };
}
