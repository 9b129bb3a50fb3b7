// GET /metrics: what --metrics-port serves, for who collects through the socket.
import { expose } from '../metrics/renderer.ts';
import type { Endpoint } from './endpoint.ts';

export const metricsEndpoint: Endpoint = {
  method: 'GET',
  path: '/metrics',
  summary: 'metrics in the text format of Prometheus',
  handle: (daemon) => expose(daemon),
};
