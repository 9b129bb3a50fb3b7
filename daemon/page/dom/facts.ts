// The head of the page: health with its reasons, and what this host is.
import type { ClusterV1, StatusV1 } from '../../../api/index.ts';
import { bytes, count, duration } from '../text.ts';
import { element, find, setAttribute, setText } from './elements.ts';

const HOST_TEXTS = { 'in-sync': 'programmed', pending: 'pending', error: 'in error' } as const;

type Fact = readonly [term: string, value: string, more: string];

const join = (...texts: readonly (string | undefined)[]): string => texts.filter(Boolean).join(', ');

export function showHead({ health, reasons, interface: underlay, daemon }: StatusV1): void {
  const address = underlay?.publicIp ?? underlay?.publicIpv6;
  setText(find('health'), health);
  setAttribute(find('health'), 'class', `health ${health}`);
  setText(
    find('where'),
    underlay && address ? `on ${address} (${underlay.name}), version ${daemon.version}` : daemon.phase,
  );
  document.title = `${health} – weft${address ? ` on ${address}` : ''}`;
  const list = find('reasons');
  if (list.textContent === reasons.join('')) return;
  list.replaceChildren(...reasons.map((reason) => element('li', {}, reason)));
}

export function showFacts({ status }: ClusterV1): void {
  const list = find('facts');
  const facts = factsOf(status);
  if (list.childElementCount !== facts.length) list.replaceChildren(...facts.map(emptyFact));
  for (const [index, [term, value, more]] of facts.entries()) {
    const [dt, dd] = list.children[index]!.children;
    setText(dt!, term);
    setText(dd!.children[0]!, value);
    setText(dd!.children[1]!, more || '\u00A0');
  }
}

function emptyFact(): HTMLElement {
  return element('div', {}, element('dt'), element('dd', {}, element('span'), element('small')));
}

function factsOf({ at, lease, network, registry, kernel, peers, daemon, config }: StatusV1): readonly Fact[] {
  const since = (time: string): number => Date.parse(at) - Date.parse(time);
  const expires = lease?.expiresAt && `expires in ${duration(-since(lease.expiresAt))}`;
  return [
    [
      'Subnet',
      [lease?.ipv4, lease?.ipv6].filter(Boolean).join(' ') || '–',
      join(lease?.state, lease?.isReservation ? 'reserved' : expires),
    ],
    [
      'Network',
      [network?.ipv4, network?.ipv6].filter(Boolean).join(' ') || '–',
      network ? `${network.backend}, MTU ${network.mtu ?? '–'}` : '',
    ],
    peersFact(peers),
    [
      'Registry',
      registry.isConnected ? 'connected' : 'disconnected',
      registry.lastContactAt
        ? `last contact ${duration(since(registry.lastContactAt))} ago`
        : 'no contact yet',
    ],
    [
      'Config',
      config?.rejected ? 'newest is rejected' : config ? 'in force' : '–',
      config ? `revision ${count(config.revision)}` : '',
    ],
    [
      'Kernel',
      kernel === undefined ? '–' : kernel.contested.length > 0 ? 'contested' : HOST_TEXTS[kernel.host],
      kernel?.contested.length ? `${count(kernel.contested.length)} objects` : lastChange(kernel, since),
    ],
    ['Daemon', `up ${duration(since(daemon.startedAt))}`, bytes(daemon.memoryBytes)],
  ];
}

function peersFact({ liveness, total, inSync, pending, errors }: StatusV1['peers']): Fact {
  const bad = (number: number | undefined, text: string): string | undefined =>
    number ? `${count(number)} ${text}` : undefined;
  return [
    'Peers reachable',
    liveness ? `${count(liveness.reachable)} of ${count(total)}` : 'not probed',
    join(
      `${count(inSync)} programmed`,
      bad(pending, 'pending'),
      bad(errors, 'in error'),
      bad(liveness?.silent, 'silent'),
      bad(liveness?.['overlay-broken'], 'on the underlay alone'),
    ),
  ];
}

function lastChange(kernel: StatusV1['kernel'], since: (time: string) => number): string {
  return kernel?.lastRunAt === undefined
    ? 'never changed'
    : `last change ${duration(since(kernel.lastRunAt))} ago`;
}
