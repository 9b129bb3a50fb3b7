// Competitors between containers: weft's daemon leases subnets (backend alloc), a competitor's program carries packets.
import type { Lab } from '../../../lab/lab.ts';
import { subnetOf } from '../../../lab/run.ts';
import { copyRelay, fastd, socat, wireguardGo } from './path-competitors.ts';
import { LAB_NEEDS, openBetweenContainers, WEFT_BETWEEN_CONTAINERS } from './path-containers.ts';
import { DEVICE } from './path-plan.ts';
import type { PathCandidate } from './path-testbed.ts';
import type { Candidate, Tunnel } from './path-tunnel.ts';
import type { HostPair } from './path-underlay.ts';

/** Those that hand every packet from their device to the one peer, whatever its address. */
export const BETWEEN_CONTAINERS: readonly PathCandidate[] = [
  ...WEFT_BETWEEN_CONTAINERS,
  ...[fastd, socat].map(betweenContainers),
  ...[copyRelay, wireguardGo].map((candidate) => ({
    ...betweenContainers(candidate),
    isOptional: true as const,
  })),
];

const ALLOC = { backend: { Type: 'alloc' } };

function betweenContainers(candidate: Candidate): PathCandidate {
  const { name, needs } = candidate;
  return {
    name,
    needs: [...LAB_NEEDS, ...needs],
    peers: 'none',
    families: [4],
    open: (conditions) =>
      openBetweenContainers(ALLOC, conditions, (lab, hosts) =>
        connectContainers(lab, hosts, () => candidate.open(hosts, conditions.tuning)),
      ),
  };
}

/** Routes each container's traffic into the tunnel that `open` makes between the hosts. */
async function connectContainers(lab: Lab, { a, b }: HostPair, open: () => Promise<Tunnel>): Promise<Tunnel> {
  const tunnel = await open();
  await a.ip(`route replace ${await subnetOf(lab, 'h2')} dev ${DEVICE}`);
  await b.ip(`route replace ${await subnetOf(lab, 'h1')} dev ${DEVICE}`);
  // subnet.env has the MTU of the underlay, as this backend encapsulates nothing.
  for (const container of ['c1', 'c2'])
    await lab.check(container, ['ip', 'link', 'set', 'eth0', 'mtu', String(tunnel.mtu)]);
  return { ...tunnel, to: await lab.containerAddress('h2') };
}
