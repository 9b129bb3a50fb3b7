// The last probe of each peer, and what all of them come to. Pure memory.
import type { ProbeReport } from './report.ts';

export interface LastProbe {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly report: ProbeReport;
}

/** Sums over the last probes of all peers; of none all zero. */
export interface ProbeSummary {
  readonly peers: number;
  readonly sent: number;
  readonly lost: number;
  /** Peers that answered nothing. */
  readonly noReply: number;
  /** Mean round trips of the peers that answered, in ms: their mean and the worst. */
  readonly avgMs?: number;
  readonly maxMs?: number;
}

export class ProbeHistory {
  readonly #last = new Map<string, LastProbe>();

  /** By key of the peer. */
  get(key: string): LastProbe | undefined {
    return this.#last.get(key);
  }

  record(key: string, probe: LastProbe): void {
    this.#last.set(key, probe);
  }

  /** Of peers that are left, as of `has`; the others are forgotten. */
  summary(has: (key: string) => boolean): ProbeSummary {
    for (const key of this.#last.keys()) if (!has(key)) this.#last.delete(key);
    const reports = [...this.#last.values()].map(({ report }) => report);
    const means = reports.flatMap(({ rtt }) => (rtt === undefined ? [] : [rtt.avgMs]));
    const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
    return {
      peers: reports.length,
      sent: sum(reports.map(({ sent }) => sent)),
      lost: sum(reports.map(({ sent, received }) => sent - received)),
      noReply: reports.filter(({ received }) => received === 0).length,
      ...(means.length > 0 && { avgMs: sum(means) / means.length, maxMs: Math.max(...means) }),
    };
  }
}
