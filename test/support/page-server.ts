// The page of the daemon with a cluster that a test makes up, and what a browser makes of it.
import { launch, type Browser } from 'puppeteer-core';
import type { ActivityV1, ClusterV1, DoctorReportV1, HistoryV1, PeerV1, SyncV1 } from '../../api/index.ts';
import { listenHttp, type HttpListener } from '../../daemon/http/http-listener.ts';
import { loadPage } from '../../daemon/metrics/page.ts';
import { STATUS } from '../../cli/fixture/status.ts';

/** A cluster of `count` other hosts, some of them with errors. */
export function clusterOf(
  count: number,
  troubled: Readonly<Partial<Record<SyncV1, number>>> = {},
): ClusterV1 {
  const { pending = 0, error: errors = 0 } = troubled;
  const stateOf = (index: number): SyncV1 =>
    index < errors ? 'error' : index < errors + pending ? 'pending' : 'in-sync';
  // Errors are spread over the hosts.
  const peers = Array.from({ length: count }, (_, index) => peerOf(index, stateOf((index * 13 + 3) % count)));
  return {
    status: {
      ...STATUS,
      ...(pending + errors > 0 && {
        health: 'degraded',
        reasons: [`${pending + errors} of ${count} peers are not programmed`],
      }),
      peers: {
        total: count,
        inSync: count - pending - errors,
        pending,
        errors,
        liveness: {
          reachable: count - pending - errors,
          silent: 0,
          'overlay-broken': 0,
          unknown: pending + errors,
        },
      },
    },
    peers,
  };
}

function peerOf(index: number, state: SyncV1): PeerV1 {
  const [high, low] = [Math.floor((index + 1) / 250), (index + 1) % 250];
  return {
    key: `10.${5 + high}.${low}.0-24`,
    ipv4: `10.${5 + high}.${low}.0/24`,
    publicIp: `198.18.${high}.${low + 1}`,
    mac: '02:00:00:00:00:01',
    mode: state === 'error' ? 'error' : 'kernel',
    state,
    ...(state === 'error' && { reason: '<b>its backend is host-gw</b>, this network has vxlan' }),
    missing: state === 'pending' ? [`route 10.${5 + high}.${low}.0/24`] : [],
    since: '2026-11-25T09:17:00.000Z',
    isReservation: false,
    ...(state === 'in-sync' && {
      liveness: {
        state: 'reachable' as const,
        since: '2026-11-25T09:17:00.000Z',
        answeredAt: STATUS.at,
        rttMs: 0.2 + ((index * 37) % 100) / 50,
      },
    }),
  };
}

/** What the page asks for. */
export interface PageData {
  readonly cluster: ClusterV1;
  readonly history: HistoryV1;
  readonly activity: ActivityV1;
}

/** An hour with traffic, a peak of silence, and one repair. */
export function historyOf(): HistoryV1 {
  const column = (value: (step: number) => number): number[] =>
    Array.from({ length: 120 }, (_, at) => value(at));
  return {
    version: 1,
    at: STATUS.at,
    stepSec: 30,
    txBytesPerSec: column((at) => 2e7 * (1 + Math.sin(at / 9))),
    rxBytesPerSec: column((at) => 5e7 * (1 + Math.sin(at / 15))),
    rttMs: column((at) => 0.3 + (at % 7) / 30),
    silentPeers: column((at) => (at > 60 && at < 70 ? 2 : 0)),
    drift: column((at) => (at === 80 ? 3 : 0)),
  };
}

export function activityOf(doctor?: DoctorReportV1): ActivityV1 {
  return {
    version: 1,
    events: [
      {
        sequence: 1,
        at: STATUS.at,
        topic: 'kernel',
        level: 'warn',
        code: 'KERNEL_DRIFT',
        message: 'Another process changed kernel state',
        fields: { object: '<b>route</b> 10.5.7.0/24' },
      },
      {
        sequence: 2,
        at: STATUS.at,
        topic: 'peer',
        level: 'error',
        code: 'peer-silent',
        message: 'A peer does not answer, neither on the overlay nor on the underlay',
        fields: { peer: '10.5.9.0-24' },
      },
    ],
    ...(doctor && { doctor }),
  };
}

/** Serves the page with `data`; without it there is an error, as of a daemon that has no memory left. */
export function servePage(data: () => PageData | undefined): Promise<HttpListener> {
  return listenHttp({ ip: '127.0.0.1', port: 0, title: 'Test', flag: 'metrics' }, ({ url }, response) => {
    const known = data();
    const documents: Readonly<Record<string, unknown>> = {
      '/cluster.json': known?.cluster,
      '/history.json': known?.history,
      '/events.json': known?.activity,
    };
    if (url === '/')
      response.writeHead(200, { 'Content-Type': 'text/html', ...loadPage().headers }).end(loadPage().text);
    else if (documents[url!] !== undefined) response.end(JSON.stringify(documents[url!]));
    else response.writeHead(503).end();
  });
}

/** Starts Debian's Chromium; puppeteer-core has none of its own. */
export function startBrowser(): Promise<Browser> {
  return launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking'],
    protocolTimeout: 120_000,
  });
}
