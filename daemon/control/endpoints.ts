// All endpoints of the control socket, one line each.
import { askEndpoint } from './ask.ts';
import { countersEndpoint } from './counters.ts';
import { devicesEndpoint } from './devices.ts';
import { doctorEndpoint } from './doctor.ts';
import { diffEndpoint } from './diff.ts';
import { optionsEndpoint, peersEndpoint, statusEndpoint } from './documents.ts';
import type { Endpoint } from './endpoint.ts';
import { drainEndpoint } from './drain.ts';
import { eventsEndpoint } from './events.ts';
import { leasesEndpoint, releaseEndpoint, reserveEndpoint } from './leases.ts';
import { readLogLevelEndpoint, setLogLevelEndpoint } from './log-level.ts';
import { pingEndpoint } from './ping.ts';
import { probeEndpoint } from './probe.ts';
import { routeEndpoint } from './route.ts';

/** `renderMetrics` comes from the metrics server, so that both serve the same text. */
export function createEndpoints(renderMetrics: Endpoint['handle']): readonly Endpoint[] {
  return [
    statusEndpoint,
    peersEndpoint,
    pingEndpoint,
    probeEndpoint,
    askEndpoint,
    devicesEndpoint,
    routeEndpoint,
    diffEndpoint,
    countersEndpoint,
    {
      method: 'GET',
      path: '/metrics',
      summary: 'metrics in the text format of Prometheus',
      handle: renderMetrics,
    },
    eventsEndpoint,
    leasesEndpoint,
    reserveEndpoint,
    releaseEndpoint,
    doctorEndpoint,
    drainEndpoint,
    optionsEndpoint,
    readLogLevelEndpoint,
    setLogLevelEndpoint,
  ];
}
