// GET /events.json: the last events and what `weft doctor` found.
import { CONTROL_VERSION, type ActivityV1 } from '../../api/index.ts';
import type { NodeView } from '../view/node-view.ts';

const MAX_EVENTS = 100;

export function activityOf({ doctorReport, events }: NodeView): ActivityV1 {
  return {
    version: CONTROL_VERSION,
    events: events.recent.slice(-MAX_EVENTS),
    ...(doctorReport && { doctor: doctorReport }),
  };
}
