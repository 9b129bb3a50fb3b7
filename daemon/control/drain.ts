// POST /v1/drain: whether this host takes new containers.
import type { DrainStateV1, DrainV1 } from '../../api/index.ts';
import { ControlError, type Endpoint } from './endpoint.ts';
import { answerTo } from './leases.ts';

const STATES: readonly DrainStateV1[] = ['none', 'drained', 'released'];

export const drainEndpoint: Endpoint = {
  method: 'POST',
  path: '/v1/drain',
  summary:
    'whether this host takes containers: {"state":"none"}, drained or released; released ends the daemon',
  handle: async ({ drain }, { body }) => {
    const state = (body as Partial<DrainV1> | null | undefined)?.state;
    if (!STATES.includes(state as DrainStateV1))
      throw new ControlError(
        400,
        'bad-request',
        `state ${JSON.stringify(state)}: must be one of ${STATES.join(', ')}`,
      );
    if (drain === undefined) throw new ControlError(503, 'not-ready', 'The daemon is still starting');
    await drain.set(state as DrainStateV1).catch((error: unknown) => {
      throw answerTo(error) ?? error;
    });
    return { json: { state: drain.state } satisfies DrainV1 };
  },
};
