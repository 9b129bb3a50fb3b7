// Connections that the peer opens to this host: the cells of the matrix, and what failures of them mean.
// Rules with connection tracking may let pass those of one direction alone. Pure.
import type { EndpointAnswerV1, OpenedV1 } from '../../api/index.ts';
import { familyOf, parseIp } from '../../lib/address.ts';
import type { CellV1 } from './cells.ts';
import type { Names } from './evaluate.ts';

const OLD_VERSION = 'its daemon opens no connections: an earlier version';

/** @param hasTargets - whether this host has listeners for them */
export function toBackCells(endpoint: EndpointAnswerV1 | string, hasTargets: boolean): readonly CellV1[] {
  if (typeof endpoint === 'string' || !hasTargets) return [];
  const { opened, container } = endpoint;
  if (opened === undefined) return [{ ...UNOPENED, state: 'untested', reason: OLD_VERSION }];
  const own = new Set(container.map(({ address }) => address));
  const cells = opened.map((each) => toCell(each, own));
  return cells.map((cell) => (isFiltered(cells, cell) ? withoutBlame(cell) : cell));
}

const UNOPENED = { family: 4, from: 'container', to: 'container', test: 'tcp' } as const;

function toCell(opened: OpenedV1, containers: ReadonlySet<string>): CellV1 {
  const { from, to, test, address, reason, isUntested, seen } = opened;
  const ip = parseIp(address);
  const cell = {
    family: ip === undefined ? 4 : familyOf(ip),
    from,
    to,
    test,
    address,
  } as const;
  if (reason !== undefined) return { ...cell, state: isUntested === true ? 'untested' : 'failed', reason };
  if (from === 'host' || seen === undefined || containers.has(seen)) return { ...cell, state: 'ok' };
  const wrong = `this host sees the source ${seen}: packets within the overlay are masqueraded`;
  return { ...cell, state: 'failed', reason: wrong, wrongSource: seen };
}

/** A firewall may keep connections off this host's own addresses by intent. */
function isFiltered(cells: readonly CellV1[], { family, from, to }: CellV1): boolean {
  const same = cells.filter((cell) => cell.family === family && cell.from === from && cell.to === to);
  return (
    to === 'host' && same.every(({ state, wrongSource }) => state === 'failed' && wrongSource === undefined)
  );
}

function withoutBlame(cell: CellV1): CellV1 {
  const reason = `this host accepts no connections there, as a firewall may do by intent (${cell.reason})`;
  return { ...cell, state: 'untested', reason };
}

/** One sentence for each failure that no failure in the other direction explains; empty if none failed. */
export function locateBack(
  back: readonly CellV1[],
  forward: readonly CellV1[],
  { own, peer }: Names,
): readonly string[] {
  const lines = back
    .filter(({ state }) => state === 'failed')
    .flatMap((cell) => {
      if (cell.wrongSource !== undefined) return [`on ${peer}: ${cell.reason}`];
      const hasPassed = forward.some((other) => isReverse(cell, other) && other.state === 'ok');
      const isKnown = forward.some(({ state }) => state === 'failed') && !hasPassed;
      return isKnown ? [] : [describe(cell, { own, peer }, hasPassed)];
    });
  return [...new Set(lines)];
}

const isReverse = (cell: CellV1, other: CellV1): boolean =>
  cell.family === other.family &&
  cell.from === other.to &&
  cell.to === other.from &&
  cell.test === other.test;

function describe({ from, to, test }: CellV1, { own, peer }: Names, hasPassed: boolean): string {
  const what = test === 'tcp' ? 'a connection (TCP)' : 'a packet of a new flow (UDP)';
  const cause = hasPassed
    ? ', and passes in the other direction: a rule on either host that depends on who opens a connection'
    : ': a rule or route for that direction';
  return `${what} that ${peer} opens from its ${from} to the ${to} of ${own} is lost${cause}`;
}
