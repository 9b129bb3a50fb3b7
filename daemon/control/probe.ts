// POST /v1/probe: tries peers that do not answer at once. By itself the daemon does so with growing pauses.
import { statusEndpoint } from './documents.ts';
import type { Endpoint } from './endpoint.ts';

export const probeEndpoint: Endpoint = {
  method: 'POST',
  path: '/v1/probe',
  summary: 'tries peers that do not answer at once, then answers as /v1/status',
  handle: async (daemon, request) => {
    await daemon.liveness?.retry();
    return statusEndpoint.handle(daemon, request);
  },
};
