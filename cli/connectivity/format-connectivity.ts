// The matrix of `weft connectivity` as text. Pure.
import type { Style } from '../format/style.ts';
import { formatTable } from '../format/table.ts';
import { TESTS, type CellV1, type From, type Test, type To } from './cells.ts';
import { familiesOf } from './evaluate.ts';
import type { ConnectivityV1, PeerConnectivityV1 } from './report.ts';

const ROUTES: readonly (readonly [From, To])[] = [
  ['host', 'host'],
  ['host', 'container'],
  ['container', 'host'],
  ['container', 'container'],
  ['host', 'outside'],
  ['container', 'outside'],
];

export function formatConnectivity(report: ConnectivityV1, style: Style): string {
  const { otherPeers, peers } = report;
  if (peers.length === 0) return `No peer to test: ${otherPeers} are known, and the kernel leads to none\n`;
  const failed = peers.filter(({ failures }) => failures.length > 0).length;
  const tested = peers.filter(({ cells }) => cells.some(({ state }) => state !== 'untested')).length;
  const sample = otherPeers === 0 ? '' : `, ${otherPeers} more were not chosen: --peer names them`;
  const summary =
    failed === 0 ? style.good(`${count(tested)} passed`) : style.bad(`${failed} of ${count(tested)} failed`);
  return `${peers.map((peer) => formatPeer(peer, report.mtu, style)).join('\n')}\n${summary}${sample}\n`;
}

const count = (number: number): string => `${number} ${number === 1 ? 'peer' : 'peers'}`;

function formatPeer(
  { key, name, publicIp, cells, back, failures, next, notTested }: PeerConnectivityV1,
  mtu: number,
  style: Style,
): string {
  const title = style.bold([name, publicIp, key].filter((part) => part !== undefined).join(', '));
  const tables = familiesOf(cells).map((family) =>
    formatMatrix(
      cells.filter((cell) => cell.family === family),
      back.filter((cell) => cell.family === family),
      [`IPv${family}`, mtu],
      style,
    ),
  );
  const lines = [
    ...failures.map((line) => `  ${style.bad('FAILED')} ${line}`),
    ...evidenceOf(cells, back).map((line) => `  evidence:   ${line}`),
    ...(next === undefined ? [] : [`  next:       ${next}`]),
    ...notTested.map((line) => `  not tested: ${line}`),
  ];
  return `${title}\n${tables.join('')}${lines.map((line) => `${line}\n`).join('')}`;
}

function formatMatrix(
  cells: readonly CellV1[],
  back: readonly CellV1[],
  [family, mtu]: readonly [string, number],
  style: Style,
): string {
  const head = [family, '', ...TESTS.map((test) => headOf(test, mtu))];
  const rows = ROUTES.map(([from, to]) => {
    const own = cells.filter((cell) => cell.from === from && cell.to === to);
    return { own, row: [`${from} →`, to, ...TESTS.map((test) => markOf(own, test, style))] };
  });
  const returned = ROUTES.map(([from, to]) => {
    const own = back.filter((cell) => cell.from === from && cell.to === to);
    return { own, row: [`their ${from} →`, `our ${to}`, ...TESTS.map((test) => markOf(own, test, style))] };
  });
  return formatTable(
    [head, ...[...rows, ...returned].filter(({ own }) => own.length > 0).map(({ row }) => row)],
    {
      indent: 2,
    },
  );
}

function headOf(test: Test, mtu: number): string {
  const heads = {
    ping: 'ping',
    'ping-full': `ping ${mtu}`,
    tcp: 'tcp',
    udp: 'udp',
    'udp-full': `udp ${mtu}`,
  };
  return heads[test];
}

function markOf(cells: readonly CellV1[], test: Test, style: Style): string {
  switch (cells.find((cell) => cell.test === test)?.state) {
    case 'ok':
      return style.good('ok');
    case 'failed':
      return style.bad('FAILED');
    case 'untested':
      return style.dim('-');
    case undefined:
      return '';
  }
}

const MAX_EVIDENCE = 3;

/** The first tests that failed, each reason once. */
function evidenceOf(cells: readonly CellV1[], back: readonly CellV1[]): readonly string[] {
  const lines = new Map<string, string>();
  const note = (owner: string, { state, from, to, test, address, reason = '' }: CellV1): void => {
    const key = `${owner}${from}${to}${reason}`;
    if (state === 'failed' && !lines.has(key))
      lines.set(key, `${test} from ${from}${owner} to ${to} ${address}: ${reason}`);
  };
  for (const cell of cells) note('', cell);
  for (const cell of back) note(' of the peer', cell);
  return [...lines.values()].slice(0, MAX_EVIDENCE);
}
