// Checks whether another VXLAN device keeps the overlay device from its VNI and port: of this
// namespace, one that takes all VNIs, or one that was moved to another namespace.
import type { VxlanConfig } from '../../../allocator/config/config.ts';
import { DEFAULT_VXLAN_PORT } from '../../../backends/vxlan.ts';
import type { Check, Found } from '../check.ts';
import { links, type LinkRow } from '../checks-host.ts';
import { readNamespaces } from './containers.ts';
import type { Facts } from '../facts.ts';
import { shellWord } from '../text/shell-word.ts';

const vxlanConflict: Check = {
  id: 'vxlan-conflict',
  about: 'whether another VXLAN device has the VNI and port of the overlay',
  run: async (facts) => {
    const [rows, config] = await Promise.all([links(facts), facts.config]);
    const backend = config?.backend;
    if (backend?.type !== 'vxlan' || rows === undefined) return [];
    const own = await ownNames(facts, backend);
    const here = rows
      .filter((row) => !own.has(row.ifname) && isRival(row, backend))
      .map((row) => describeRival(row, backend));
    const isMissing = !rows.some(({ ifname }) => own.has(ifname));
    return here.length > 0 || !isMissing ? here : movedRivals(facts, backend);
  },
};

/** Without a daemon, or before it knows its devices: the names that it would give them. */
async function ownNames(facts: Facts, { vni, port }: VxlanConfig): Promise<ReadonlySet<string>> {
  const devices = (await facts.status)?.network?.devices;
  if (devices !== undefined) return new Set(devices);
  const number = port ?? DEFAULT_VXLAN_PORT;
  return new Set([`flannel.${vni}`, `flannel-v6.${vni}`, `flannel-p${number}`, `flannel6-p${number}`]);
}

/**
 * The kernel allows one device of a VNI and port (vxlan_config_validate). One that is `external`
 * takes packets of all VNIs, and shares its port with no device that is not.
 */
function isRival({ ifname, linkinfo }: LinkRow, { vni, port = DEFAULT_VXLAN_PORT }: VxlanConfig): boolean {
  const data = linkinfo?.info_data;
  if (linkinfo?.info_kind !== 'vxlan' || data?.port !== port || ifname.startsWith('weft-')) return false;
  return data.external === true || data.id === vni;
}

function describeRival(
  { ifname, linkinfo }: LinkRow,
  { port = DEFAULT_VXLAN_PORT }: VxlanConfig,
  namespace?: string,
): Found {
  const { external, id } = linkinfo?.info_data ?? {};
  const prefix = namespace === undefined ? '' : `nsenter --net=${shellWord(namespace)} `;
  return {
    severity: 'error',
    title:
      external === true
        ? `The device ${ifname} takes packets of all VNIs on the overlay's UDP port`
        : `The device ${ifname} has the VNI and port of the overlay network`,
    evidence: [
      `${prefix}ip -d link show ${ifname}: vxlan ${external === true ? 'external' : `id ${id}`} dstport ${port}`,
    ],
    impact:
      'The kernel allows one such device: the overlay device cannot be created, or its packets go elsewhere',
    fix: `${prefix}ip link delete ${shellWord(ifname)}  # or, if it is in use, another "Port" or "VNI" for the overlay: weft config edit`,
  };
}

/** A device in another namespace sends from the namespace where it was made; ss(8) shows no process. */
async function movedRivals(facts: Facts, backend: VxlanConfig): Promise<readonly Found[]> {
  return (await readNamespaces(facts)).flatMap(({ path, links: rows }) =>
    rows
      .filter((row) => (row.link_netns ?? row.link_netnsid) !== undefined && isRival(row, backend))
      .map((row) => describeRival(row, backend, path)),
  );
}

export const VXLAN_CHECKS: readonly Check[] = [vxlanConflict];
