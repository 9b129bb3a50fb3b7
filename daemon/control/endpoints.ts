// All endpoints of the control socket, one line each.
import { countersEndpoint } from './counters.ts';
import { devicesEndpoint } from './devices.ts';
import { diffEndpoint } from './diff.ts';
import type { Endpoint } from './endpoint.ts';
import { eventsEndpoint } from './events.ts';
import { leasesEndpoint, releaseEndpoint, reserveEndpoint } from './leases.ts';
import { readLogLevelEndpoint, setLogLevelEndpoint } from './log-level.ts';
import { metricsEndpoint } from './metrics.ts';
import { optionsEndpoint } from './options.ts';
import { peersEndpoint } from '../view/peers.ts';
import { pingEndpoint } from './ping.ts';
import { routeEndpoint } from './route.ts';
import { statusEndpoint } from '../view/status.ts';

export const ENDPOINTS: readonly Endpoint[] = [
  statusEndpoint,
  peersEndpoint,
  pingEndpoint,
  devicesEndpoint,
  routeEndpoint,
  diffEndpoint,
  countersEndpoint,
  metricsEndpoint,
  eventsEndpoint,
  leasesEndpoint,
  reserveEndpoint,
  releaseEndpoint,
  optionsEndpoint,
  readLogLevelEndpoint,
  setLogLevelEndpoint,
];
