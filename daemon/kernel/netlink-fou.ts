// IP-in-UDP devices of the kernel: creates one with its port, changes what can be changed in place.
// Each call reads the device first: another process may have changed it since the last read.
import type { FouLink } from '../../backends/kernel-state.ts';
import { describeDrift } from './actual-state.ts';
import type { FouPorts } from './fou-ports.ts';
import { toFouLink } from './message-objects.ts';
import { encodeFouLinkCreate, type FouLinkSettings } from './netlink/ip-tunnel.ts';
import { encodeLinkMtu, type LinkMessage } from './netlink/link.ts';
import type { NetlinkClient } from './netlink/netlink-client.ts';
import { cannotChange, DONE, type Outcome, rejection } from './netlink/outcome.ts';
import { asOutcome } from './netlink-links.ts';
import { readLink } from './netlink-reader.ts';

export interface FouTarget {
  readonly client: NetlinkClient;
  readonly fouPorts: Pick<FouPorts, 'ensure' | 'list' | 'remove'>;
}

/**
 * Creates the device `link` with its port, or changes it in place. EOPNOTSUPP: it must be removed
 * first, or the kernel cannot make one. Never rejects, and leaves no port without a device.
 */
export function ensureFou(target: FouTarget, link: FouLink): Promise<Outcome> {
  const { client, fouPorts } = target;
  return asOutcome(async () => {
    const parent = link.parent === '' ? NO_PARENT : await readLink(client, { name: link.parent });
    if (parent === undefined)
      return rejection('ENODEV', `no interface ${link.parent} as the parent of ${link.name}: restore it`);
    const current = await readLink(client, { name: link.name });
    if (current !== undefined && !isChangeable(current, link, parent.index))
      return cannotChange(link.name, 'its kind, parent, address or port');
    const port = await fouPorts.ensure(link);
    if (port.status !== 'done') return port;
    const outcome = await setDevice(client, current, { ...link, parentIndex: parent.index });
    if (outcome.status === 'done') return verify(target, link, parent);
    if (current === undefined) await fouPorts.remove(link);
    return outcome;
  });
}

const NO_PARENT = { index: 0, name: '' };

function isChangeable(current: LinkMessage, { local, port }: FouLink, parentIndex: number): boolean {
  const tunnel = current.ipTunnel;
  if (tunnel?.local !== local || tunnel.parentIndex !== parentIndex) return false;
  return tunnel.port === port && tunnel.unsupported.length === 0;
}

async function setDevice(
  client: NetlinkClient,
  current: LinkMessage | undefined,
  link: FouLinkSettings,
): Promise<Outcome> {
  const [outcome] = await client.send([
    (writer) =>
      current === undefined
        ? encodeFouLinkCreate(writer, link)
        : encodeLinkMtu(writer, current.index, link.mtu),
  ]);
  // Without CONFIG_NET_FOU_IP_TUNNELS, and in Linux 6.1 without the module fou, it is EINVAL.
  if (current === undefined && outcome?.status === 'rejected' && outcome.errno === 'EINVAL')
    return rejection('EOPNOTSUPP', `the kernel has no IP tunnel with FOU: ${outcome.message}`);
  return outcome!;
}

async function verify(
  { client, fouPorts }: FouTarget,
  link: FouLink,
  parent: Pick<LinkMessage, 'index' | 'name'>,
): Promise<Outcome> {
  const made = await readLink(client, { name: link.name });
  const actual =
    made &&
    toFouLink(made, await fouPorts.list(), (index) => (index === parent.index ? parent.name : undefined));
  if (actual === undefined) return rejection('ENODEV', `${link.name} vanished right after its creation`);
  const drift = describeDrift(link, actual);
  return drift === '' ? DONE : rejection('EINVAL', `the kernel set ${link.name} differently: ${drift}`);
}
