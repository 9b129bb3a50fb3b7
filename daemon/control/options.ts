// GET /v1/options: what the daemon was told by flags and environment. Passwords are masked by their own type.
import { systemClock } from '../../lib/clock.ts';
import type { Endpoint } from './endpoint.ts';
import { CONTROL_VERSION } from '../../api/index.ts';
import type { OptionsV1 } from '../../api/index.ts';
import { wallTime } from '../view/wall-time.ts';

export const optionsEndpoint: Endpoint = {
  method: 'GET',
  path: '/v1/options',
  summary: 'what the daemon was told by flags and environment, without passwords',
  handle: ({ options }) => ({
    json: {
      version: CONTROL_VERSION,
      at: wallTime(systemClock.nowMs()),
      options: plain(options) as Readonly<Record<string, unknown>>,
    } satisfies OptionsV1,
  }),
};

/** As JSON has it, patterns as their text. */
function plain(value: unknown): unknown {
  const text = JSON.stringify(value, (_key, member: unknown) =>
    member instanceof RegExp ? member.source : member,
  );
  return JSON.parse(text) as unknown;
}
