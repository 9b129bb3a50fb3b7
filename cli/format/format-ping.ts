// Output of `weft ping`. Pure.
import type { PingEchoV1, PingLayerV1, PingPeerV1 } from '../../api/index.ts';
import { subnetsOf } from './format-peers.ts';
import type { Style } from './style.ts';
import { formatTable } from './table.ts';

const LAYER_WIDTH = 'underlay'.length;

/** For example `overlay   10.5.100.0  1  0.31 ms`. */
export function formatEcho({ layer, address, sequence, rttMs, error }: PingEchoV1, style: Style): string {
  const outcome = rttMs === undefined ? style.bad(error ?? 'no answer') : `${formatMs(rttMs)} ms`;
  return `${layer.padEnd(LAYER_WIDTH)}  ${address}  ${sequence}  ${outcome}\n`;
}

/** Result of one peer, one line for each layer. */
export function formatPingedPeer(peer: PingPeerV1, style: Style): string {
  const { overlay, underlay } = peer;
  const lines = [
    [style.bold(subnetsOf(peer)), peer.publicIp ?? peer.publicIpv6, peer.name].filter(Boolean).join('  '),
    overlay
      ? layerLine('overlay', overlay, style)
      : style.dim('overlay   its backend gives it no address there'),
    ...(underlay ? [layerLine('underlay', underlay, style)] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function layerLine(name: string, layer: PingLayerV1, style: Style): string {
  const { address, sent, received, rtt, largestPacketBytes } = layer;
  const parts = [`${sent} sent`, lossOf(layer, style)];
  if (rtt !== undefined)
    parts.push(
      `min ${formatMs(rtt.minMs)}, median ${formatMs(rtt.p50Ms)}, mean ${formatMs(rtt.avgMs)}, max ${formatMs(rtt.maxMs)} ms`,
    );
  if (largestPacketBytes !== undefined) parts.push(`packets of up to ${largestPacketBytes} bytes pass`);
  if (received === 0 && layer.errors.length > 0) parts.push(layer.errors[0]!.message);
  return `${name.padEnd(LAYER_WIDTH)}  ${address}  ${parts.join('; ')}`;
}

function lossOf({ sent, received }: PingLayerV1, style: Style): string {
  if (received === sent) return style.good('all answered');
  return style.bad(received === 0 ? 'none answered' : `${sent - received} lost`);
}

/** One line per peer, followed by its errors. */
export function formatPingedPeers(peers: readonly PingPeerV1[], style: Style): string {
  if (peers.length === 0) return 'no peers: this host is alone in its network\n';
  const hasNames = peers.some(({ name }) => name !== undefined);
  const heading = [
    'SUBNET',
    'PUBLIC IP',
    ...(hasNames ? ['NAME'] : []),
    'OVERLAY',
    'LARGEST',
    'UNDERLAY',
    'LARGEST',
  ];
  const rows = peers.map((peer) => [
    subnetsOf(peer),
    peer.publicIp ?? peer.publicIpv6 ?? '-',
    ...(hasNames ? [peer.name ?? '-'] : []),
    ...cellsOf(peer.overlay, style),
    ...cellsOf(peer.underlay, style),
  ]);
  const [first = '', ...lines] = formatTable([heading, ...rows], { right: hasNames ? [4, 6] : [3, 5] })
    .trimEnd()
    .split('\n');
  const body = lines.map((line, index) => [line, ...errorsOf(peers[index]!, style)].join('\n'));
  const lossy = peers.filter((peer) => !hasAnswered(peer)).length;
  const sum = lossy === 0 ? style.good('all answered') : style.bad(`${lossy} with losses`);
  return `${[style.dim(first), ...body].join('\n')}\n${peers.length} peers, ${sum}\n`;
}

function cellsOf(layer: PingLayerV1 | undefined, style: Style): readonly string[] {
  if (layer === undefined) return ['-', '-'];
  const { sent, received, rtt, largestPacketBytes } = layer;
  const lost = received === sent ? '' : style.bad(`${sent - received} of ${sent} lost`);
  const mean = rtt === undefined ? '' : `${formatMs(rtt.avgMs)} ms`;
  return [[mean, lost].filter(Boolean).join(', '), largestPacketBytes?.toString() ?? '-'];
}

function errorsOf(peer: PingPeerV1, style: Style): string[] {
  return (['overlay', 'underlay'] as const).flatMap((name) =>
    (peer[name]?.errors ?? []).map(({ message }) => `  ${style.bad('!')} ${name}: ${message}`),
  );
}

/** Whether every echo was answered, and one was sent. */
export function hasAnswered({ overlay, underlay }: PingPeerV1): boolean {
  const layers = [overlay, underlay].filter((layer) => layer !== undefined);
  return layers.length > 0 && layers.every(({ sent, received }) => sent === received);
}

/** Three significant digits, as in ping(8). */
function formatMs(ms: number): string {
  return ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms.toFixed(2);
}
