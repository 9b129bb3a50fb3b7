// The page: asks the daemon while it is visible, and gives each document to the part that shows it.
import type { ActivityV1, ClusterV1, HistoryV1 } from '../../../api/index.ts';
import { bitRate, bytes, duration, milliseconds } from '../text.ts';
import { ratesOf, rowOf, STATE_TEXTS, TRANSPORTS, type Rate, type Row } from '../peer-rows.ts';
import { showActivity } from './activity.ts';
import { Charts } from './charts.ts';
import { find, setText } from './elements.ts';
import { showFacts, showHead } from './facts.ts';
import { showDetails, showMap } from './map.ts';
import { PeerTable } from './table.ts';

const POLL_MS = 2000;
/** Polls from one reading of the history to the next, which has a step each half minute. */
const HISTORY_POLLS = 5;

const table = new PeerTable();
const charts = new Charts();
let cluster: ClusterV1 | undefined;
let rows: readonly Row[] = [];
let totals: ReadonlyMap<string, Rate> = new Map();
let receivedMs = 0;
let polls = 0;

const chosen = (): string => decodeURIComponent(location.hash.slice(1));

async function load<Answer>(path: string): Promise<Answer> {
  const response = await fetch(path, { cache: 'no-store' });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return (await response.json()) as Answer;
}

function take(next: ClusterV1): void {
  const atMs = Date.parse(next.status.at);
  const sec = cluster === undefined ? 0 : (atMs - Date.parse(cluster.status.at)) / 1000;
  // The daemon makes the document once a second at most.
  if (cluster === undefined || sec > 0) {
    const counted = ratesOf(next.peers, totals, sec);
    totals = counted.totals;
    rows = next.peers.map((peer) => rowOf(peer, counted.rates.get(peer.key)));
  }
  cluster = next;
  show();
}

function show(): void {
  if (cluster === undefined) return;
  const atMs = Date.parse(cluster.status.at);
  showHead(cluster.status);
  showFacts(cluster);
  showMap(cluster.status, rows, chosen());
  table.show(rows, atMs);
  const row = rows.find(({ key }) => key === chosen());
  showDetails(row === undefined ? [] : detailsOf(row, atMs), row?.name ?? '');
}

function detailsOf(
  { peer, state, reason, rate, rttMs }: Row,
  atMs: number,
): readonly (readonly [string, string])[] {
  const { liveness, mac, publicIp, publicIpv6, traffic, wireguard } = peer;
  const ago = (time: string): string => `${duration(atMs - Date.parse(time))} ago`;
  const counted = traffic ?? wireguard;
  return [
    ['State', reason === '' ? STATE_TEXTS[state] : `${STATE_TEXTS[state]}: ${reason}`],
    ['Host', [publicIp, publicIpv6].filter(Boolean).join(' ') || '–'],
    ['Transport', TRANSPORTS[peer.mode]],
    [
      'Programmed',
      peer.state === 'in-sync' ? `yes, changed ${ago(peer.since)}` : `no, since ${ago(peer.since)}`,
    ],
    [
      'Last answer',
      liveness?.answeredAt === undefined
        ? 'none'
        : `${ago(liveness.answeredAt)}${rttMs === undefined ? '' : `, round trip ${milliseconds(rttMs)}`}`,
    ],
    ...(mac === undefined ? [] : [['MAC address', mac] as const]),
    ...(counted === undefined
      ? []
      : [['Sent and received', `${bytes(counted.txBytes)} and ${bytes(counted.rxBytes)}`] as const]),
    ...(rate === undefined ? [] : [['Traffic', `↑ ${bitRate(rate.tx)} ↓ ${bitRate(rate.rx)}`] as const]),
    ['To find a fault', `weft ping ${publicIp ?? publicIpv6 ?? peer.key}`],
  ];
}

/** What is shown is dimmed while the daemon does not answer. */
function showAge(error: string): void {
  const age = duration(Date.now() - receivedMs);
  setText(find('age'), receivedMs === 0 ? 'Not updated yet' : `Updated ${age} ago`);
  document.body.classList.toggle('is-stale', error !== '');
  find('stale').hidden = error === '';
  if (error === '') return;
  const shown = receivedMs === 0 ? '' : ` This is its state of ${age} ago.`;
  setText(find('stale'), `The daemon does not answer (${error}).${shown} On the host: systemctl status weft`);
  setText(find('health'), 'no answer');
  find('health').setAttribute('class', 'health not-ready');
}

async function refresh(): Promise<void> {
  try {
    const next = await load<ClusterV1>('cluster.json');
    receivedMs = Date.now();
    take(next);
    showActivity(await load<ActivityV1>('events.json'));
    if (polls++ % HISTORY_POLLS === 0) charts.show(await load<HistoryV1>('history.json'));
    showAge('');
  } catch (error) {
    showAge((error as Error).message);
  }
}

async function poll(): Promise<void> {
  if (!document.hidden) await refresh();
  setTimeout(() => void poll(), POLL_MS);
}

addEventListener('hashchange', () => {
  show();
  table.choose(chosen());
});
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) void refresh();
});
async function begin(): Promise<void> {
  await refresh();
  table.choose(chosen());
  setTimeout(() => void poll(), POLL_MS);
}
void begin();
