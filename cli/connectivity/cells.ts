// The matrix of `weft connectivity` for one peer and family: which tests there are, from where, to where,
// and which of them this peer makes possible. Pure.
import type { EndpointAnswerV1, ListenerV1 } from '../../api/index.ts';
import { familyOf, parseIp, type Family, type IpAddress } from '../../lib/address.ts';
import type { ProbeSpec } from '../../daemon/connectivity/probe.ts';

export type From = 'host' | 'container';
/** `outside`: the peer's public IP, which is outside of the overlay. */
export type To = 'host' | 'container' | 'outside';
export type Test = 'ping' | 'ping-full' | 'tcp' | 'udp' | 'udp-full';

export const TESTS: readonly Test[] = ['ping', 'ping-full', 'tcp', 'udp', 'udp-full'];

/** Where a test goes from and to. */
export interface Route {
  readonly family: Family;
  readonly from: From;
  readonly to: To;
}

export interface CellV1 extends Route {
  readonly test: Test;
  readonly address?: string;
  readonly state: 'ok' | 'failed' | 'untested';
  /** Why it failed, or was not tested. */
  readonly reason?: string;
  /** The packets arrive, from this source that no such packet may have. */
  readonly wrongSource?: string;
}

/** A test that is to be made, or why it cannot be. */
export type PlannedCell = Route & {
  readonly test: Test;
  readonly address?: string;
} & ({ readonly spec: ProbeSpec } | { readonly untested: string });

/** What is known of the peer. */
export interface PlanInput {
  readonly families: readonly Family[];
  /** MTU of containers. */
  readonly mtu: number;
  /** Families of the test container of this host; otherwise why there is none. */
  readonly container: readonly Family[] | string;
  /** The peer's endpoint; otherwise why there is none. */
  readonly endpoint: EndpointAnswerV1 | string;
  /** The peer's own overlay addresses, which answer echoes without an endpoint. */
  readonly overlay: Readonly<Partial<Record<Family, IpAddress>>>;
  /** Whether this host masquerades what leaves the overlay. */
  readonly isMasquerading: boolean;
}

const SMALL_BYTES = { 4: 84, 6: 104 } as const;
/** Some segments each direction. */
const STREAM_BYTES = 32_768;
/** Of one that needs no full-size packet. */
const OUTSIDE_BYTES = 64;

export function planCells(input: PlanInput): readonly PlannedCell[] {
  return input.families.flatMap((family) => {
    const inside = (['host', 'container'] as const).flatMap((to) =>
      (['host', 'container'] as const).flatMap((from) => planRoute(input, { family, from, to })),
    );
    return [...inside, ...planOutside(input, family)];
  });
}

function planRoute(input: PlanInput, route: Route): readonly PlannedCell[] {
  const target = targetOf(input, route);
  return TESTS.map((test) => {
    const untested = whyNot(input, route) ?? (target === undefined ? missingTarget(input, route) : undefined);
    if (untested !== undefined || target === undefined) return { ...route, test, untested: untested ?? '' };
    const spec = specOf(input, test, target);
    return typeof spec === 'string'
      ? { ...route, test, address: target.address, untested: spec }
      : { ...route, test, address: target.address, spec };
  });
}

/** Why this host cannot send from there. */
function whyNot({ container }: PlanInput, { family, from }: Route): string | undefined {
  if (from === 'host') return undefined;
  if (typeof container === 'string') return `no test container here: ${container}`;
  return container.includes(family) ? undefined : `the test container here has no IPv${family} address`;
}

interface Target {
  readonly address: IpAddress;
  readonly listener?: ListenerV1;
}

function targetOf({ endpoint, overlay }: PlanInput, { family, to }: Route): Target | undefined {
  const listeners =
    typeof endpoint === 'string'
      ? []
      : to === 'container'
        ? endpoint.container
        : endpoint.host.filter(({ layer }) => layer === (to === 'host' ? 'overlay' : 'underlay'));
  for (const listener of listeners) {
    const address = parseIp(listener.address);
    if (address !== undefined && familyOf(address) === family) return { address, listener };
  }
  const own = to === 'host' ? overlay[family] : undefined;
  return own && { address: own };
}

function missingTarget({ endpoint }: PlanInput, { to, family }: Route): string {
  if (typeof endpoint === 'string') return endpoint;
  const of = to === 'container' ? endpoint.missing : [];
  return of.length > 0 ? of.join('; ') : `the peer has no address for it in IPv${family}`;
}

function specOf({ endpoint, mtu }: PlanInput, test: Test, { address, listener }: Target): ProbeSpec | string {
  const family = familyOf(address);
  if (test === 'ping') return { kind: 'echo', to: address, bytes: SMALL_BYTES[family] };
  if (test === 'ping-full') return { kind: 'echo', to: address, bytes: mtu };
  if (typeof endpoint === 'string') return endpoint;
  if (listener === undefined) return 'nothing listens on that address';
  const { token } = endpoint;
  if (test === 'tcp') return { kind: 'tcp', to: address, port: listener.tcp, token, bytes: STREAM_BYTES };
  const bytes = test === 'udp' ? 128 : mtu;
  return { kind: 'udp', to: address, port: listener.udp, token, bytes };
}

/** TCP alone: it shows the source address that the peer sees. */
function planOutside(input: PlanInput, family: Family): readonly PlannedCell[] {
  const target = targetOf(input, { family, from: 'host', to: 'outside' });
  const { endpoint } = input;
  if (target?.listener === undefined || typeof endpoint === 'string') return [];
  const { address, listener } = target;
  const spec = {
    kind: 'tcp',
    to: address,
    port: listener.tcp,
    token: endpoint.token,
    bytes: OUTSIDE_BYTES,
  } as const;
  return (['host', 'container'] as const).map((from): PlannedCell => {
    const route = { family, from, to: 'outside', test: 'tcp', address } as const;
    const untested =
      whyNot(input, route) ??
      (from === 'container' && !input.isMasquerading
        ? 'this host does not masquerade (--ip-masq)'
        : undefined);
    return untested === undefined ? { ...route, spec } : { ...route, untested };
  });
}
