// IP-in-IP devices of the kernel: creates one, or changes it in place. Each call reads the device
// first: another process may have changed it since the last read.
import type { IpipLink } from '../../backends/kernel-state.ts';
import { describeDrift } from './actual-state.ts';
import { toIpipLink } from './message-objects.ts';
import { encodeIpipLink } from './netlink/ip-tunnel.ts';
import type { NetlinkClient } from './netlink/netlink-client.ts';
import { cannotChange, DONE, type Outcome, rejection } from './netlink/outcome.ts';
import { asOutcome } from './netlink-links.ts';
import { readLink } from './netlink-reader.ts';

/**
 * Creates the device `link`, or changes it in place. EOPNOTSUPP: it must be removed first, or the
 * kernel has no such device. Never rejects.
 */
export function ensureIpip(client: NetlinkClient, link: IpipLink): Promise<Outcome> {
  return asOutcome(async () => {
    const parent = await readLink(client, { name: link.parent });
    if (parent === undefined)
      return rejection('ENODEV', `no interface ${link.parent} as the parent of ${link.name}: restore it`);
    const current = await readLink(client, { name: link.name });
    // A device with a remote, or with an encapsulation around, keeps both.
    const isFixed = current?.ipip?.unsupported.some((text) => /^(?:remote|external)/.test(text)) !== false;
    if (current !== undefined && isFixed) return cannotChange(link.name, 'its remote or encapsulation');
    const settings = { ...link, parentIndex: parent.index };
    const [outcome] = await client.send([(writer) => encodeIpipLink(writer, settings, current?.index)]);
    if (outcome?.status !== 'done') return outcome!;
    const made = await readLink(client, { name: link.name });
    const actual = made && toIpipLink(made, (index) => (index === parent.index ? parent.name : undefined));
    if (actual === undefined) return rejection('ENODEV', `${link.name} vanished right after its creation`);
    const drift = describeDrift(link, actual);
    return drift === '' ? DONE : rejection('EINVAL', `the kernel set ${link.name} differently: ${drift}`);
  });
}
