// GET /v1/status, /v1/peers and /v1/options: documents made of the node view alone.
import { CONTROL_VERSION, type OptionsV1 } from '../../api/index.ts';
import { peersOf } from '../view/peers.ts';
import { statusOf } from '../view/status.ts';
import { wallTime } from '../../lib/wall-time.ts';
import type { Endpoint } from './endpoint.ts';

export const statusEndpoint: Endpoint = {
  method: 'GET',
  path: '/v1/status',
  summary: 'health of this host, its lease, registry, kernel and counts of peers',
  handle: async (daemon) => {
    // Names are shown of peers that do not answer alone.
    if ((daemon.readiness.livenessProblems ?? []).length > 0) await daemon.hostNames?.refresh();
    return { json: statusOf(daemon) };
  },
};

export const peersEndpoint: Endpoint = {
  method: 'GET',
  path: '/v1/peers',
  summary: 'every peer: subnet, public IP, MAC, mode, state and missing kernel objects',
  handle: async (daemon) => {
    await daemon.hostNames?.refresh();
    return { json: peersOf(daemon) };
  },
};

export const optionsEndpoint: Endpoint = {
  method: 'GET',
  path: '/v1/options',
  summary: 'options of the daemon from flags and environment, passwords masked',
  handle: ({ clock, options }) => ({
    json: {
      version: CONTROL_VERSION,
      at: wallTime(clock.nowMs()),
      options: toPlain(options) as Readonly<Record<string, unknown>>,
    } satisfies OptionsV1,
  }),
};

/** As JSON: patterns become their source, and `Secret` masks itself. */
function toPlain(value: unknown): unknown {
  const text = JSON.stringify(value, (_key, member: unknown) =>
    member instanceof RegExp ? member.source : member,
  );
  return JSON.parse(text) as unknown;
}
