// A test container of this host: a network namespace with an address of the host's subnet, on the bridge
// of containers, or behind a route where no bridge exists. The namespace has no name and lives as long as
// the agent in it, and the kernel removes the veth pair with it, so that nothing outlives a crash.
import { randomBytes } from 'node:crypto';
import { contains, familyOf, parseIp, type Cidr, type IpAddress } from '../../lib/address.ts';
import type { ListenerV1 } from '../../api/index.ts';
import type { LeaseSubnets } from '../../allocator/lease.ts';
import { runTool } from '../kernel/firewall/run-tool.ts';
import { AgentProcess } from './agent-process.ts';
import { findFreeAddress } from './free-address.ts';
import { ip, readLinks, removeLeftovers, TEST_DEVICE_PREFIX, type LinkRow } from './test-devices.ts';

export interface TestContainerOptions {
  readonly subnets: LeaseSubnets;
  readonly mtu: number;
  readonly token: string;
  /** Longest life. */
  readonly seconds: number;
}

/** Next hop of a container without a bridge, which the kernel of this host never sees. */
const ROUTED_GATEWAY = { 4: '169.254.1.1', 6: 'fe80::1' } as const;

interface Attachment {
  readonly address: IpAddress;
  readonly length: number;
  readonly gateway: string;
}

export class TestContainer {
  readonly listeners: readonly ListenerV1[];
  /** Why it has no address of a family that the host has a subnet of, one line each. */
  readonly missing: readonly string[];
  readonly agent: AgentProcess;
  readonly #device: string;

  private constructor(
    agent: AgentProcess,
    device: string,
    found: Pick<TestContainer, 'listeners' | 'missing'>,
  ) {
    this.agent = agent;
    this.#device = device;
    this.listeners = found.listeners;
    this.missing = found.missing;
  }

  /** @throws Error with the reason if this host can have none */
  static async create({ subnets, mtu, token, seconds }: TestContainerOptions): Promise<TestContainer> {
    const links = await removeLeftovers(await readLinks());
    const wanted = [subnets.ipv4, subnets.ipv6].filter((subnet) => subnet !== undefined);
    const bridge = findBridge(links, wanted);
    const found = await Promise.all(wanted.map((subnet) => attach(links, bridge, subnet)));
    const attachments = found.filter((each): each is Attachment => typeof each !== 'string');
    const missing = found.filter((each) => typeof each === 'string');
    if (attachments.length === 0) throw new Error(missing.join('; ') || 'this host has no subnet yet');
    const agent = await AgentProcess.startInNamespace(seconds);
    const device = `${TEST_DEVICE_PREFIX}${agent.pid}`;
    try {
      await connect({ agent, device, bridge, attachments, mtu });
      const addresses = attachments.map(({ address }) => address);
      const listeners = await agent.call({ call: 'listen', addresses, token });
      return new TestContainer(agent, device, { listeners, missing });
    } catch (error) {
      await agent.close();
      throw error;
    }
  }

  /** Resolves when nothing of it is left. */
  async close(): Promise<void> {
    // The kernel removes the pair some time after the namespace.
    await runTool('ip', ['link', 'delete', this.#device]);
    await this.agent.close();
  }
}

/** The bridge with addresses of most subnets, one that is up first. */
function findBridge(links: readonly LinkRow[], subnets: readonly Cidr[]): LinkRow | undefined {
  const score = (link: LinkRow): number =>
    subnets.filter((subnet) => addressIn(link, subnet) !== undefined).length * 2 +
    (link.flags.includes('UP') ? 1 : 0);
  return links
    .filter((link) => link.linkinfo?.info_kind === 'bridge' && score(link) > 1)
    .toSorted((a, b) => score(b) - score(a))[0];
}

/** The address of a device in a subnet. */
export function addressIn({ addr_info = [] }: LinkRow, subnet: Cidr): IpAddress | undefined {
  return addr_info
    .map(({ local = '' }) => parseIp(local))
    .find((address) => address !== undefined && contains(subnet, address));
}

/** @returns why there is none. */
async function attach(
  links: readonly LinkRow[],
  bridge: LinkRow | undefined,
  subnet: Cidr,
): Promise<Attachment | string> {
  const family = familyOf(subnet);
  const gateway = bridge && addressIn(bridge, subnet);
  if (bridge !== undefined && gateway === undefined)
    return `IPv${family}: the bridge ${bridge.ifname} has no address of ${subnet}`;
  const address = await findFreeAddress(subnet, links, bridge?.ifname);
  if (address === undefined) return `IPv${family}: no free address was found in ${subnet}`;
  const length = bridge === undefined ? (family === 4 ? 32 : 128) : Number(subnet.split('/')[1]);
  return { address, length, gateway: gateway ?? ROUTED_GATEWAY[family] };
}

interface Connection {
  readonly agent: AgentProcess;
  readonly device: string;
  readonly bridge: LinkRow | undefined;
  readonly attachments: readonly Attachment[];
  readonly mtu: number;
}

async function connect({ agent, device, bridge, attachments, mtu }: Connection): Promise<void> {
  const peerMac = randomMac('02');
  // A bridge takes the lowest MAC address and the least MTU of its ports, and its containers would lose packets.
  const port = bridge && `address ${randomMac('fe:ff:ff')} mtu ${bridge.mtu ?? mtu}`;
  await ip([
    `link add ${device} ${port ?? `mtu ${mtu}`} type veth peer name eth0 address ${peerMac} mtu ${mtu} netns ${agent.pid}`,
    ...(bridge === undefined ? [] : [`link set ${device} master ${bridge.ifname}`]),
    `link set ${device} up`,
  ]);
  const mac = (await readLinks(device))[0]?.address ?? '';
  await agent.call({ call: 'ip', lines: insideLines(attachments, bridge === undefined ? mac : undefined) });
  if (bridge !== undefined) return;
  await ip(
    attachments.flatMap(({ address, length }) => [
      `route add ${address}/${length} dev ${device}`,
      // The kernel solicits nothing while the device's own link-local address is tentative.
      `neighbour add ${address} lladdr ${peerMac} nud permanent dev ${device}`,
    ]),
  );
}

/** @param prefix - its first bytes, of a locally administered unicast address */
function randomMac(prefix: '02' | 'fe:ff:ff'): string {
  const bytes = randomBytes(6 - prefix.split(':').length);
  return [prefix, ...bytes.toString('hex').match(/../g)!].join(':');
}

/** @param routerMac - of a gateway that answers no ARP */
function insideLines(attachments: readonly Attachment[], routerMac: string | undefined): readonly string[] {
  return [
    'link set lo up',
    'link set eth0 up',
    ...attachments.flatMap(({ address, length, gateway }) => [
      `address add ${address}/${length} dev eth0${familyOf(address) === 6 ? ' nodad' : ''}`,
      ...(routerMac === undefined
        ? []
        : [
            `route add ${gateway} dev eth0`,
            `neighbour add ${gateway} lladdr ${routerMac} nud permanent dev eth0`,
          ]),
      `route add default via ${gateway} dev eth0`,
    ]),
  ];
}
