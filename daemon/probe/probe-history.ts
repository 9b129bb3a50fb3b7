// The last probe of each peer, and their sums. In memory only.
import type { ProbeReport } from './report.ts';

/** The last probe of one peer. */
export interface LastProbe {
  /** Milliseconds since 1970 (wall clock). */
  readonly atMs: number;
  readonly report: ProbeReport;
}

/** Sums over the last probes of all peers; zeros without any. */
export interface ProbeSummary {
  /** Peers with a probe. */
  readonly peers: number;
  /** Echoes. */
  readonly sent: number;
  /** Echoes without a reply in time. */
  readonly lost: number;
  /** Peers without any reply. */
  readonly noReply: number;
  /**
   * Mean and maximum over the mean round trips of the peers that replied, in ms; unset without any.
   */
  readonly avgMs?: number;
  readonly maxMs?: number;
}

export class ProbeHistory {
  readonly #last = new Map<string, LastProbe>();

  /** `key` is that of the peer's lease. */
  get(key: string): LastProbe | undefined {
    return this.#last.get(key);
  }

  /** Replaces the last probe of a peer. */
  record(key: string, probe: LastProbe): void {
    this.#last.set(key, probe);
  }

  /** Sums over the peers for which `has` holds; drops the others. */
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
