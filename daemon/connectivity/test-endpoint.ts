// A test endpoint of this host: listeners on its own addresses, and a test container. For the host that
// asked for it; the process of its listeners is not the daemon's.
import { randomBytes } from 'node:crypto';
import type { EndpointAnswerV1, HostListenerV1 } from '../../api/index.ts';
import { addressOf, parseIp, type Cidr, type IpAddress } from '../../lib/address.ts';
import type { LeaseSubnets } from '../../allocator/lease.ts';
import { AgentProcess } from './agent-process.ts';
import { addressIn, TestContainer } from './test-container.ts';
import { readLinks, type LinkRow } from './test-devices.ts';

export interface TestEndpointOptions {
  readonly subnets: LeaseSubnets;
  readonly mtu: number;
  /** Addresses of this host in the underlay. */
  readonly underlay: readonly IpAddress[];
  readonly seconds: number;
}

export class TestEndpoint {
  readonly answer: EndpointAnswerV1;
  /** In the network namespace of the host. */
  readonly agent: AgentProcess;
  /** Otherwise why there is none. */
  readonly container: TestContainer | string;

  private constructor(answer: EndpointAnswerV1, agent: AgentProcess, container: TestContainer | string) {
    this.answer = answer;
    this.agent = agent;
    this.container = container;
  }

  /** What cannot be made is missing. @throws Error if nothing can */
  static async create(options: TestEndpointOptions): Promise<TestEndpoint> {
    const token = randomBytes(8).toString('hex');
    const links = await readLinks();
    const [agent, container] = await Promise.all([
      AgentProcess.startHere(options.seconds).catch((error: Error) => error),
      TestContainer.create({ ...options, token }).catch((error: Error) => error),
    ]);
    const isMade = container instanceof TestContainer;
    const closables = [...(agent instanceof Error ? [] : [agent]), ...(isMade ? [container] : [])];
    const reason = isMade ? '' : container.message;
    try {
      if (agent instanceof Error) throw agent;
      const host = await listenOnHost(agent, hostAddresses(links, options), token);
      const missing = isMade ? container.missing : [`no test container: ${reason}`];
      const listeners = isMade ? container.listeners : [];
      const answer = { kind: 'endpoint', token, host, container: listeners, missing } as const;
      return new TestEndpoint(answer, agent, isMade ? container : reason);
    } catch (error) {
      await Promise.all(closables.map((each) => each.close()));
      throw error;
    }
  }

  /** Resolves when nothing of it is left. */
  async close(): Promise<void> {
    const { agent, container } = this;
    await Promise.all([agent.close(), ...(typeof container === 'string' ? [] : [container.close()])]);
  }
}

type HostAddress = Pick<HostListenerV1, 'layer'> & { readonly address: IpAddress };

/**
 * Of the overlay the address of the overlay device, else that of a bridge: devices of some backends
 * have none.
 */
function hostAddresses(
  links: readonly LinkRow[],
  { subnets, underlay }: TestEndpointOptions,
): readonly HostAddress[] {
  const overlay = [subnets.ipv4, subnets.ipv6].flatMap((subnet) => {
    const address = subnet && overlayAddress(links, subnet);
    return address === undefined ? [] : [{ address, layer: 'overlay' as const }];
  });
  return [...overlay, ...underlay.map((address) => ({ address, layer: 'underlay' as const }))];
}

function overlayAddress(links: readonly LinkRow[], subnet: Cidr): IpAddress | undefined {
  const local = new Set(
    links.flatMap(({ addr_info = [] }) => addr_info.map(({ local: text = '' }) => parseIp(text))),
  );
  if (local.has(addressOf(subnet))) return addressOf(subnet);
  return links.map((link) => addressIn(link, subnet)).find((address) => address !== undefined);
}

async function listenOnHost(
  agent: AgentProcess,
  addresses: readonly HostAddress[],
  token: string,
): Promise<readonly HostListenerV1[]> {
  const found = await Promise.all(
    addresses.map(async ({ address, layer }) => {
      // An address may be that of a NAT before this host.
      const [listener] = await agent.call({ call: 'listen', addresses: [address], token }).catch(() => []);
      return listener === undefined ? [] : [{ ...listener, layer }];
    }),
  );
  return found.flat();
}
