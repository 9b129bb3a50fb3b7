// GET /v1/events: a stream of events, one JSON document a line. `?last=N` starts with the last N
// events, `?follow=0` ends after them.
import { ControlError, type Endpoint } from './endpoint.ts';

export const eventsEndpoint: Endpoint = {
  method: 'GET',
  path: '/v1/events',
  summary: 'a stream of events; ?last=N starts with the last N events, ?follow=0 ends after them',
  handle: ({ events }, { query, signal }) => {
    const last = Number(query.get('last') ?? 0);
    if (!Number.isInteger(last) || last < 0)
      throw new ControlError(
        400,
        'bad-count',
        `last=${query.get('last')}: must be a number of events, 0 or more`,
      );
    if (query.get('follow') !== '0') return { lines: events.watch(last, signal) };
    return { lines: listed(last === 0 ? [] : events.recent.slice(-last)) };
  },
};

// eslint-disable-next-line typescript/require-await
async function* listed<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}
