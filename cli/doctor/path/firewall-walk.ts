// One journey through the firewall rules of this host. What a rule changes, the later hooks meet. Pure.
import { evaluate, type Outcome } from '../../../daemon/trace/evaluate.ts';
import type { Packet } from '../../../daemon/trace/packet.ts';
import type { Table } from '../../../daemon/trace/ruleset.ts';
import { passagesOf, type Journey, type Stage } from './stages.ts';

export interface Visit {
  readonly stage: Stage;
  readonly outcome: Outcome;
}

/** What each hook decides, in the order in which packets meet them. */
export function walkJourney(tables: readonly Table[], journey: Journey): readonly Visit[] {
  const marks = new Map<string, (number | undefined)[]>();
  return passagesOf(journey).flatMap((stages) => {
    const [first] = stages;
    if (first === undefined) return [];
    const { visits, mark } = walkStages(tables, stages, markBefore(marks, first));
    const key = `${first.layer} ${first.direction}`;
    marks.set(key, [...(marks.get(key) ?? []), mark]);
    return visits;
  });
}

/** A packet that is encapsulated or unpacked keeps its mark; which one of several it was is unknown. */
function markBefore(
  marks: ReadonlyMap<string, readonly (number | undefined)[]>,
  { layer, direction, packet }: Stage,
): number | undefined {
  if (layer === 'arp') return packet.mark;
  const isCarried = (layer === 'tunnel') === (direction === 'sent');
  const before = isCarried ? marks.get(`${layer === 'inner' ? 'tunnel' : 'inner'} ${direction}`) : undefined;
  if (before === undefined) return packet.mark;
  return before.every((mark) => mark === packet.mark) ? packet.mark : undefined;
}

interface Walked {
  readonly visits: readonly Visit[];
  readonly mark: number | undefined;
}

function walkStages(tables: readonly Table[], stages: readonly Stage[], start: number | undefined): Walked {
  let carried: Pick<Packet, 'mark' | 'isUntracked'> = { mark: start };
  const visits = stages.map((stage): Visit => {
    const outcome = evaluate(tables, stage.hook, { ...stage.packet, ...carried });
    const { mark, isUntracked = false } = outcome.packet;
    carried = { mark, ...(isUntracked && { isUntracked }) };
    return { stage, outcome };
  });
  return { visits, mark: carried.mark };
}
