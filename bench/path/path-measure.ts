// What a measure of the path benchmark is, and what it gives.
import type { TopologyName } from './tunnels/path-testbed.ts';
import type { Trial } from './path-traffic.ts';

export type Unit = 'Gbit/s' | 'kpps' | 'µs' | 'MiB' | 's/Gbit' | 'segments' | 'k/s';

/** One value of one run. */
export interface Reading {
  readonly metric: string;
  readonly unit: Unit;
  readonly value: number;
  /** What belongs to the value: retransmits, congestion control, loss. */
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface Measure {
  readonly name: string;
  /** What it is, for the table. */
  readonly title: string;
  /** Only run if named on the command line. */
  readonly isOptional?: true;
  /** Needs the many peers: at one underlay address, or at underlay addresses of their own. */
  readonly peers?: 'same-remote' | 'own-remotes';
  /** Missing: in every topology. */
  readonly topology?: TopologyName;
  run(trial: Trial): Promise<Reading[]>;
}
