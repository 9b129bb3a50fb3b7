// The link of each container of this host: its device, the other end of the pair, and the bridge there.
import type { LinkRow } from '../checks-host.ts';
import { links } from '../checks-host.ts';
import type { Facts } from '../facts.ts';
import { readContainers, type Container } from '../path/containers.ts';
import { readOwnPaths, type OwnPath } from '../path/own-path.ts';

export interface ContainerLink {
  readonly path: OwnPath;
  readonly container: Container;
  /** The device with the container's address. */
  readonly inside: LinkRow;
  /** The other end of the pair; unset if the device is none of a pair, or its other end is elsewhere. */
  readonly outside?: LinkRow;
  /** The bridge that the other end is a port of. */
  readonly bridge?: LinkRow;
}

/** One for each container and family. */
export function readContainerLinks(facts: Facts): Promise<readonly ContainerLink[]> {
  return facts.once('container links', async () => {
    const [paths, rows = []] = await Promise.all([readOwnPaths(facts), links(facts)]);
    const found = await Promise.all(
      paths.map(async (path) =>
        (await readContainers(facts, path.subnet)).flatMap((container) => toLink(path, container, rows)),
      ),
    );
    return found.flat();
  });
}

function toLink(path: OwnPath, container: Container, rows: readonly LinkRow[]): readonly ContainerLink[] {
  const inside = container.links.find(({ addr_info = [] }) =>
    addr_info.some(({ local }) => local === container.address),
  );
  if (inside === undefined) return [];
  const outside = rows.find((row) => isPair(row, inside));
  const bridge = outside && rows.find(({ ifname }) => ifname === outside.master);
  return [{ path, container, inside, ...(outside && { outside }), ...(bridge && { bridge }) }];
}

/** Indexes are of a namespace each: both ends have to name the other one. */
function isPair(outside: LinkRow, inside: LinkRow): boolean {
  return (
    outside.linkinfo?.info_kind === 'veth' &&
    inside.linkinfo?.info_kind === 'veth' &&
    inside.link_index === outside.ifindex &&
    outside.link_index === inside.ifindex
  );
}
