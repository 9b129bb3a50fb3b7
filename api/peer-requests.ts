// Requests of one daemon to that of a peer, through the registry, and `POST /v1/ask`, which sends one.
import type { FindingV1 } from './page.ts';

/** What a peer is asked for. */
export type PeerAskV1 =
  /** A test endpoint, until the request ends. */
  | { readonly kind: 'endpoint' }
  /** What the peer's checks find on the path to this address of the host that asks. */
  | { readonly kind: 'doctor'; readonly to: string };

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
