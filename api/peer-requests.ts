// Requests of one daemon to that of a peer, through the registry, and `POST /v1/ask`, which sends one.
import type { FindingV1 } from './page.ts';

/** What a peer is asked for. */
export type PeerAskV1 =
  /** A test endpoint, until the request ends; with `back`, connections that it opens to the host that asks. */
  | { readonly kind: 'endpoint'; readonly back?: BackTargetsV1 }
  /** What the peer's checks find on the path to this address of the host that asks. */
  | { readonly kind: 'doctor'; readonly to: string };

/** Listeners of the host that asks, on addresses of its subnet. */
export interface BackTargetsV1 {
  /** Begins each packet to them. */
  readonly token: string;
  readonly host: readonly ListenerV1[];
  readonly container: readonly ListenerV1[];
}

/** Body of `POST /v1/ask`. */
export interface AskV1 {
  /** Name, public IP, subnet or key of the peer, or an address in its subnet. */
  readonly peer: string;
  readonly ask: PeerAskV1;
}

/** A line of the answer to `POST /v1/ask`. The last one is not `accepted`. */
export type PeerAnswerV1 =
  { readonly kind: 'accepted' } | UntestedAnswerV1 | EndpointAnswerV1 | DoctorAnswerV1;

/** The peer was not asked, does not answer, or refuses. */
export interface UntestedAnswerV1 {
  readonly kind: 'untested';
  readonly reason: string;
}

/** The endpoint exists until the request ends: when the client disconnects, at the latest after 60 s. */
export interface EndpointAnswerV1 {
  readonly kind: 'endpoint';
  /** Begins each packet to the listeners, which answer no other. */
  readonly token: string;
  /** On addresses of the host. */
  readonly host: readonly HostListenerV1[];
  /** On addresses of a test container. */
  readonly container: readonly ListenerV1[];
  /** Why there is no test container, or none of a family. */
  readonly missing: readonly string[];
  /** What became of connections to `back`; unset by versions that open none. */
  readonly opened?: readonly OpenedV1[];
}

/** A connection or datagrams of the peer to the host that asks. */
export interface OpenedV1 {
  readonly from: 'host' | 'container';
  readonly to: 'host' | 'container';
  readonly test: 'tcp' | 'udp';
  readonly address: string;
  /** Unset if it passed. */
  readonly reason?: string;
  /** The peer could not send it. */
  readonly isUntested?: true;
  /** Source that the listener saw. */
  readonly seen?: string;
}

/** What answers TCP and UDP at an address, each on a port. */
export interface ListenerV1 {
  readonly address: string;
  readonly tcp: number;
  readonly udp: number;
}

export interface HostListenerV1 extends ListenerV1 {
  readonly layer: 'overlay' | 'underlay';
}

export interface DoctorAnswerV1 {
  readonly kind: 'doctor';
  readonly findings: readonly FindingV1[];
  /** What the peer's checks could not test, one line each. */
  readonly notTested: readonly string[];
}
