// Connections that a test endpoint opens to the host that asked for it. Rules with connection tracking let
// pass what answers a connection, so that each direction needs a connection of its own.
import type { BackTargetsV1, ListenerV1, OpenedV1 } from '../../api/index.ts';
import { contains, familyOf, parseIp, type Cidr, type IpAddress } from '../../lib/address.ts';
import type { LeaseSubnets } from '../../allocator/lease.ts';
import type { AgentProcess } from './agent-process.ts';
import type { ProbeOutcome, ProbeSpec } from './probe.ts';
import type { TestEndpoint } from './test-endpoint.ts';

/** Some segments. */
const STREAM_BYTES = 8192;
const DATAGRAM_BYTES = 128;

/**
 * From host and container of `endpoint` to each target, TCP and UDP.
 * @param subnets - of the host that asks: targets outside of them are left alone
 */
export async function openBack(
  { agent, container, answer }: Pick<TestEndpoint, 'agent' | 'container' | 'answer'>,
  { token, ...targets }: BackTargetsV1,
  subnets: LeaseSubnets,
): Promise<readonly OpenedV1[]> {
  const sources: readonly (readonly [OpenedV1['from'], AgentProcess, readonly ListenerV1[]])[] = [
    ['host', agent, answer.host],
    ...(typeof container === 'string' ? [] : [['container', container.agent, answer.container] as const]),
  ];
  const opened = sources.flatMap(([from, by, own]) =>
    (['host', 'container'] as const).flatMap((to) =>
      targets[to]
        .map((listener) => ({ listener, address: parseIp(listener.address) }))
        .filter(
          ({ address }) => address !== undefined && isWithin(subnets, address) && hasFamily(own, address),
        )
        .flatMap(({ listener, address }) =>
          (['tcp', 'udp'] as const).map((test) =>
            open(by, specOf(test, address!, listener, token), { from, to, test, address: address! }),
          ),
        ),
    ),
  );
  return Promise.all(opened);
}

function isWithin({ ipv4, ipv6 }: LeaseSubnets, address: IpAddress): boolean {
  const subnet: Cidr | undefined = familyOf(address) === 4 ? ipv4 : ipv6;
  return subnet !== undefined && contains(subnet, address);
}

const hasFamily = (own: readonly ListenerV1[], address: IpAddress): boolean =>
  own.some((each) => familyOf(each.address as IpAddress) === familyOf(address));

function specOf(test: OpenedV1['test'], to: IpAddress, { tcp, udp }: ListenerV1, token: string): ProbeSpec {
  return test === 'tcp'
    ? { kind: 'tcp', to, port: tcp, token, bytes: STREAM_BYTES }
    : { kind: 'udp', to, port: udp, token, bytes: DATAGRAM_BYTES };
}

async function open(
  by: AgentProcess,
  spec: ProbeSpec,
  of: Pick<OpenedV1, 'from' | 'to' | 'test' | 'address'>,
): Promise<OpenedV1> {
  const failed = (error: Error): ProbeOutcome => ({ ok: false, isUntested: true, reason: error.message });
  const outcome = await by.call({ call: 'probe', spec }).catch(failed);
  if (outcome.ok) return { ...of, ...(outcome.seen !== undefined && { seen: outcome.seen }) };
  return { ...of, reason: outcome.reason, ...(outcome.isUntested && { isUntested: true }) };
}
