// What outcomes of tests mean: cells of the matrix, and where packets are lost. Pure.
import { contains, parseIp, type Cidr, type Family } from '../../lib/address.ts';
import type { ProbeOutcome } from '../../daemon/connectivity/probe.ts';
import type { CellV1, From, PlannedCell, Test, To } from './cells.ts';

export interface SeenRules {
  /** Cluster networks. */
  readonly networks: readonly Cidr[];
  /** Addresses of the test container of this host. */
  readonly container: readonly string[];
}

/** One cell by its own outcome. */
export function toCell(planned: PlannedCell, outcome: ProbeOutcome | undefined, rules: SeenRules): CellV1 {
  const { family, from, to, test, address } = planned;
  const cell = { family, from, to, test, ...(address !== undefined && { address }) };
  if ('untested' in planned) return { ...cell, state: 'untested', reason: planned.untested };
  if (outcome === undefined) return { ...cell, state: 'untested', reason: 'no time was left' };
  if (!outcome.ok)
    return { ...cell, state: outcome.isUntested === true ? 'untested' : 'failed', reason: outcome.reason };
  const reason = from === 'container' ? wrongSource(to, outcome.seen, rules) : undefined;
  if (reason === undefined) return { ...cell, state: 'ok' };
  return {
    ...cell,
    state: 'failed',
    reason,
    ...(outcome.seen !== undefined && { wrongSource: outcome.seen }),
  };
}

/** Sources are kept within the overlay, and masqueraded outside of it. */
function wrongSource(
  to: To,
  seen: string | undefined,
  { networks, container }: SeenRules,
): string | undefined {
  const address = parseIp(seen ?? '');
  if (address === undefined) return undefined;
  if (to === 'outside')
    return networks.some((network) => contains(network, address))
      ? `the peer sees the source ${address}: it is not masqueraded`
      : undefined;
  return container.includes(address)
    ? undefined
    : `the peer sees the source ${address}: packets within the overlay are masqueraded`;
}

/**
 * A firewall may keep connections off a host's own addresses by intent: where its echoes are answered,
 * and neither TCP nor UDP is, those count as not tested. The same outside of the overlay.
 */
export function withoutFiltered(cells: readonly CellV1[]): readonly CellV1[] {
  return cells.map((cell) => {
    if (cell.state !== 'failed' || cell.wrongSource !== undefined) return cell;
    if (cell.test.startsWith('ping') || !isFiltered(cells, cell)) return cell;
    const reason = `the peer's host accepts no connections there, as a firewall may do by intent (${cell.reason})`;
    return { ...cell, state: 'untested', reason };
  });
}

function isFiltered(cells: readonly CellV1[], { family, from, to }: CellV1): boolean {
  const find = (test: Test, of: From = from): CellV1 | undefined =>
    cells.find((cell) => cell.family === family && cell.from === of && cell.to === to && cell.test === test);
  if (to === 'outside') return find('tcp', 'host')?.state === 'failed';
  return to === 'host' && isConnected(find('ping')) && !isConnected(find('tcp')) && !isConnected(find('udp'));
}

/** Packets of a wrong source arrive as well. */
const isConnected = (cell: CellV1 | undefined): boolean =>
  cell?.state === 'ok' || cell?.wrongSource !== undefined;

export interface Names {
  readonly own: string;
  readonly peer: string;
}

/** Where packets are lost, one sentence each; empty exactly if no cell failed. */
export function locate(cells: readonly CellV1[], names: Names, mtu: number): readonly string[] {
  const families = [...new Set(cells.map(({ family }) => family))];
  return families.flatMap((family) => {
    const own = cells.filter((cell) => cell.family === family);
    const suffix = families.length > 1 ? ` (IPv${family})` : '';
    return locateFamily(own, names, mtu).map((line) => `${line}${suffix}`);
  });
}

interface Losses {
  readonly isDown: (from: From, to: To) => boolean;
  readonly failed: readonly CellV1[];
}

function locateFamily(cells: readonly CellV1[], names: Names, mtu: number): readonly string[] {
  const failed = cells.filter(({ state }) => state === 'failed');
  if (failed.length === 0) return [];
  const isDown = (from: From, to: To): boolean => {
    const tested = cells.filter((cell) => cell.from === from && cell.to === to && cell.state !== 'untested');
    return tested.length > 0 && tested.every(({ state }) => state === 'failed');
  };
  const wholly = locateWhole({ isDown, failed }, names);
  if (wholly.length > 0) return wholly;
  return locatePartial(failed, names, mtu);
}

/** Routes on which nothing passes. The first cause explains the others. */
function locateWhole({ isDown }: Losses, { own, peer }: Names): readonly string[] {
  if (isDown('host', 'host'))
    return [
      `nothing passes between the hosts ${own} and ${peer} through the overlay: underlay, or the tunnel's packets`,
    ];
  const lines: string[] = [];
  if (isDown('host', 'container'))
    lines.push(
      `on ${peer}, between its overlay and its containers: bridge, forwarding, or a rule for forwarded packets`,
    );
  if (isDown('container', 'host'))
    lines.push(
      `on ${own}, between its containers and its overlay: bridge, forwarding, or a rule for forwarded packets`,
    );
  if (lines.length === 0 && isDown('container', 'container'))
    lines.push(
      `between the containers of ${own} and ${peer} alone: a rule or route for addresses of containers`,
    );
  return lines;
}

function locatePartial(failed: readonly CellV1[], { own, peer }: Names, mtu: number): readonly string[] {
  const lines = new Set<string>();
  const isFull = ({ test, wrongSource: source }: CellV1): boolean =>
    source === undefined && (test === 'ping-full' || test === 'udp-full');
  const full = failed.filter(isFull);
  if (full.length > 0) {
    const place = full.some(({ from, to }) => from === 'host' && to === 'host')
      ? `between the hosts ${own} and ${peer}: the underlay carries less than the overlay's MTU needs`
      : `at the containers of ${placesOf(full, own, peer)}: a device there has a smaller MTU`;
    lines.add(`packets of ${mtu} bytes are lost ${place}`);
  }
  for (const { from, to, test, reason, wrongSource: source } of failed.filter((cell) => !isFull(cell)))
    if (source !== undefined) lines.add(`on ${own}: ${reason}`);
    // Segments of a connection have full size.
    else if (test !== 'tcp' || full.length === 0)
      lines.add(
        `${LABELS[test]} alone fails from ${from} to ${to}: a rule, or a device that damages such packets`,
      );
  return [...lines];
}

function placesOf(cells: readonly CellV1[], own: string, peer: string): string {
  const places = [
    ...(cells.some(({ from }) => from === 'container') ? [own] : []),
    ...(cells.some(({ to }) => to === 'container') ? [peer] : []),
  ];
  return places.join(' or ');
}

export const LABELS: Readonly<Record<Test, string>> = {
  ping: 'an echo',
  'ping-full': 'a full-size echo',
  tcp: 'TCP',
  udp: 'UDP',
  'udp-full': 'full-size UDP',
};

/** Families of a matrix that were tested at all. */
export function familiesOf(cells: readonly CellV1[]): readonly Family[] {
  return [...new Set(cells.map(({ family }) => family))];
}
