// Runs `weft connectivity`: a test container here, an endpoint of each peer, the matrix between them, and
// the end of all of it, whatever happens.
import type { BackTargetsV1, ListenerV1, OptionsV1, PeerV1, StatusV1 } from '../../api/index.ts';
import type { Cidr, Family, IpAddress, Ipv4Cidr, Ipv6Cidr } from '../../lib/address.ts';
import { familyOf } from '../../lib/address.ts';
import { loadNative } from '../../native/index.ts';
import type { TestContainer } from '../../daemon/connectivity/test-container.ts';
import { TestEndpoint } from '../../daemon/connectivity/test-endpoint.ts';
import { runProbe, type ProbeOutcome } from '../../daemon/connectivity/probe.ts';
import { targetsOf } from '../../daemon/probe/peer-targets.ts';
import type { LeaseSubnets } from '../../allocator/lease.ts';
import type { BackendType } from '../../allocator/config/config.ts';
import { askPeer } from '../client/ask-peer.ts';
import type { ControlClient } from '../client/control-client.ts';
import { toNamedPeer } from '../client/find-peer.ts';
import { UsageError } from '../usage-error.ts';
import { locateBack, toBackCells } from './back.ts';
import { planCells, type CellV1, type PlannedCell } from './cells.ts';
import { locate, toCell, withoutFiltered } from './evaluate.ts';

/** Output of `weft connectivity --output json`. */
export interface ConnectivityV1 {
  readonly version: 1;
  readonly at: string;
  /** Peers that were not chosen for the test. */
  readonly otherPeers: number;
  /** MTU of containers, which full-size packets have. */
  readonly mtu: number;
  readonly peers: readonly PeerConnectivityV1[];
}

export interface PeerConnectivityV1 {
  readonly key: string;
  readonly name?: string;
  readonly publicIp?: string;
  readonly cells: readonly CellV1[];
  /** What the peer opened: `from` is of the peer, `to` of this host. */
  readonly back: readonly CellV1[];
  /** Where packets are lost; empty if no test failed. */
  readonly failures: readonly string[];
  /** The next step where one failed. */
  readonly next?: string;
  /** Reasons, one line each. */
  readonly notTested: readonly string[];
}

export interface ConnectivityOptions {
  readonly client: ControlClient;
  readonly peers: readonly PeerV1[];
  /** Peers beside these. */
  readonly otherPeers: number;
  /** Ends everything early. */
  readonly signal: AbortSignal;
}

/** Longest test of one peer, in s: a request lives for a minute. */
const PEER_LIMIT_SEC = 75;
/** From the first answer of a peer to the last test. */
const TESTS_LIMIT_MS = 20_000;
/** Peers that are tested at once. */
const MAX_PARALLEL = 4;

interface Host {
  readonly status: StatusV1;
  readonly mtu: number;
  readonly subnets: LeaseSubnets;
  readonly isMasquerading: boolean;
  readonly container: TestContainer | string;
  /** With the container; unset if this host cannot start its processes. */
  readonly endpoint?: TestEndpoint;
}

/** @throws NoDaemonError, UsageError if this host has no network yet, or the signal's reason */
export async function createConnectivity(options: ConnectivityOptions): Promise<ConnectivityV1> {
  const { client, otherPeers, signal } = options;
  const rounds = Math.ceil(options.peers.length / MAX_PARALLEL);
  const host = await readHost(client, PEER_LIMIT_SEC * Math.max(1, rounds));
  try {
    const queue = options.peers.values();
    const peers: PeerConnectivityV1[] = [];
    const work = async (): Promise<void> => {
      for (const peer of queue) peers.push(await testPeer(options, host, peer));
    };
    await Promise.all(Array.from({ length: MAX_PARALLEL }, work));
    signal.throwIfAborted();
    peers.sort((a, b) => (a.key < b.key ? -1 : 1));
    return { version: 1, at: new Date().toISOString(), otherPeers, mtu: host.mtu, peers };
  } finally {
    await host.endpoint?.close();
  }
}

/** @param seconds - longest life of the test container */
async function readHost(client: ControlClient, seconds: number): Promise<Host> {
  const [status, options] = await Promise.all([
    client.request<StatusV1>('status'),
    client.request<OptionsV1>('options'),
  ]);
  const mtu = status.network?.mtu;
  const { ipv4, ipv6 } = status.lease ?? {};
  if (mtu === undefined || (ipv4 ?? ipv6) === undefined)
    throw new UsageError('This host has no subnet yet: weft status shows what the daemon waits for');
  const subnets = {
    ...(ipv4 !== undefined && { ipv4: ipv4 as Ipv4Cidr }),
    ...(ipv6 !== undefined && { ipv6: ipv6 as Ipv6Cidr }),
  };
  const endpoint = await TestEndpoint.create({ subnets, mtu, underlay: [], seconds }).catch(
    (error: Error) => error.message,
  );
  const host = { status, mtu, subnets, isMasquerading: options.options['ipMasq'] === true };
  if (typeof endpoint === 'string') return { ...host, container: endpoint };
  return { ...host, container: endpoint.container, endpoint };
}

async function testPeer(
  { client, signal }: ConnectivityOptions,
  host: Host,
  peer: PeerV1,
): Promise<PeerConnectivityV1> {
  signal.throwIfAborted();
  const { key, name, publicIp = peer.publicIpv6 } = peer;
  const back = backTargetsOf(host);
  const ask = { kind: 'endpoint', ...(back && { back }) } as const;
  const { answer, close } = await askPeer(client, { peer: key, ask }, signal);
  try {
    const endpoint = answer.kind === 'endpoint' ? answer : reasonOf(answer);
    const { container, isMasquerading, mtu } = host;
    const plan = planCells({
      families: familiesOf(host, peer),
      mtu,
      endpoint,
      container: typeof container === 'string' ? container : containerFamilies(container),
      overlay: overlayOf(host, peer),
      isMasquerading,
    });
    const forward = withoutFiltered(await runPlan(host, plan, signal));
    const opened = toBackCells(endpoint, back !== undefined);
    const own = host.status.name ?? 'this host';
    const names = { own, peer: name ?? publicIp ?? key };
    const failures = [...locate(forward, names, mtu), ...locateBack(opened, forward, names)];
    return {
      key,
      ...(name !== undefined && { name }),
      ...(publicIp !== undefined && { publicIp }),
      cells: forward,
      back: opened,
      failures,
      ...(failures.length > 0 && { next: `weft doctor --to ${name ?? publicIp ?? key}` }),
      notTested: [...untestedLines(forward), ...untestedLines(opened, BACK_PLACES)],
    };
  } finally {
    close();
  }
}

/** Listeners of this host, on addresses of its subnet. */
function backTargetsOf({ endpoint }: Host): BackTargetsV1 | undefined {
  if (endpoint === undefined) return undefined;
  const { token, host, container } = endpoint.answer;
  const plain = ({ address, tcp, udp }: ListenerV1): ListenerV1 => ({ address, tcp, udp });
  return { token, host: host.map(plain), container: container.map(plain) };
}

function reasonOf(answer: { readonly kind: string; readonly reason?: string }): string {
  return answer.reason ?? `an unknown answer, ${JSON.stringify(answer.kind)}`;
}

/** Families that both hosts have a subnet of. */
function familiesOf({ subnets }: Host, peer: PeerV1): readonly Family[] {
  return [
    ...(subnets.ipv4 !== undefined && peer.ipv4 !== undefined ? [4 as const] : []),
    ...(subnets.ipv6 !== undefined && peer.ipv6 !== undefined ? [6 as const] : []),
  ];
}

const containerFamilies = ({ listeners }: TestContainer): readonly Family[] =>
  listeners.map(({ address }) => familyOf(address as IpAddress));

function overlayOf({ status }: Host, peer: PeerV1): Readonly<Partial<Record<Family, IpAddress>>> {
  const backend = (status.network?.backend ?? 'vxlan') as BackendType;
  const of = (family: Family): IpAddress | undefined =>
    targetsOf(toNamedPeer(peer), backend, { family }).overlay;
  const [ipv4, ipv6] = [of(4), of(6)];
  return { ...(ipv4 && { 4: ipv4 }), ...(ipv6 && { 6: ipv6 }) };
}

async function runPlan(
  host: Host,
  plan: readonly PlannedCell[],
  signal: AbortSignal,
): Promise<readonly CellV1[]> {
  const { status, container } = host;
  const networks = [status.network?.ipv4, status.network?.ipv6].filter((network) => network !== undefined);
  const rules = {
    networks: networks as Cidr[],
    container: typeof container === 'string' ? [] : container.listeners.map(({ address }) => address),
  };
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TESTS_LIMIT_MS)]);
  const ended = new Promise<undefined>((resolve) => {
    limit.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  return Promise.all(
    plan.map(async (planned) => toCell(planned, await runCell(planned, container, ended), rules)),
  );
}

/** `undefined` if no time was left, or the test container has ended. */
async function runCell(
  planned: PlannedCell,
  container: TestContainer | string,
  ended: Promise<undefined>,
): Promise<ProbeOutcome | undefined> {
  if (!('spec' in planned)) return undefined;
  const { spec, from } = planned;
  const outcome =
    from === 'host' || typeof container === 'string'
      ? runProbe(spec, loadNative())
      : container.agent.call({ call: 'probe', spec }).catch(() => undefined);
  return Promise.race([outcome, ended]);
}

const BACK_PLACES = { from: ' of the peer', to: ' here' } as const;

/** Each reason once, with the routes that it is about. */
function untestedLines(cells: readonly CellV1[], places = { from: '', to: '' }): readonly string[] {
  const routes = new Map<string, Set<string>>();
  for (const { state, reason = '', from, to } of cells)
    if (state === 'untested')
      routes.set(reason, (routes.get(reason) ?? new Set()).add(`${from}${places.from} → ${to}${places.to}`));
  return [...routes].map(([reason, of]) => `${[...of].join(', ')}: ${reason}`);
}

/**
 * Peers of a sample: those that the kernel leads to, evenly over the cluster. Each run begins at another
 * one, as a peer answers one host at a time.
 */
export function chooseSample(
  peers: readonly PeerV1[],
  count: number,
  random: () => number = Math.random,
): readonly PeerV1[] {
  const usable = peers.filter(
    ({ state, mode, isReservation }) => state === 'in-sync' && mode !== 'none' && !isReservation,
  );
  if (usable.length <= count) return usable;
  const start = Math.floor(random() * usable.length);
  const indexOf = (number: number): number => start + Math.floor((number * usable.length) / count);
  return Array.from({ length: count }, (_, number) => usable[indexOf(number) % usable.length]!);
}
