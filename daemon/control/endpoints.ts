// All endpoints of the control socket, one line each.
import type { Endpoint } from './endpoint.ts';
import { statusEndpoint } from './status.ts';

export const ENDPOINTS: readonly Endpoint[] = [statusEndpoint];
