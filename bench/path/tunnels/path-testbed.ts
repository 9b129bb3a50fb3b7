// What the path benchmark measures in, of either topology: two stations with a tunnel between them, under chosen conditions.
import type { Family } from '../../../lib/address.ts';
import type { UnderlayKind } from './path-offloads.ts';
import type { Station } from './path-station.ts';
import type { Tunnel, Tuning } from './path-tunnel.ts';

/** Traffic between containers behind bridges, or between the hosts themselves. */
export const TOPOLOGIES = ['containers', 'hosts'] as const;
export type TopologyName = (typeof TOPOLOGIES)[number];

export interface Conditions {
  readonly underlay: UnderlayKind;
  /** Inside of the tunnel and outside. */
  readonly family: Family;
  /** Of the underlay, in bytes. */
  readonly mtu: number;
  readonly tuning: Tuning;
}

/** A tunnel that is up. */
export interface Testbed {
  /** Where traffic starts. */
  readonly a: Station;
  /** Where it ends. */
  readonly b: Station;
  readonly tunnel: Tunnel;
  /** IPv4 and IPv6 fragments that the sending host has made: none if the tunnel's MTU is right. */
  fragments(): Promise<number>;
  /** Ends everything that was started, and removes all namespaces. */
  down(): Promise<void>;
}

/** One of the tunnels that are compared. */
export interface PathCandidate {
  readonly name: string;
  /** Commands that must be installed. */
  readonly needs: readonly string[];
  /** Whether {@link Tunnel.addPeers} takes peers at the same or even at own underlay addresses. */
  readonly peers: 'none' | 'same-remote' | 'own-remotes';
  readonly families: readonly Family[];
  /** Missing: all. */
  readonly underlays?: readonly UnderlayKind[];
  /** Only run if named on the command line. */
  readonly isOptional?: true;
  open(conditions: Conditions): Promise<Testbed>;
}
