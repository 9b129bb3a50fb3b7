// Sums up echoes of one peer that were answered or lost so far, for a ping that ends early. Pure.
import type { PingEchoV1, PingLayerV1, PingPeerV1 } from '../../api/index.ts';

interface Layer {
  readonly address: string;
  sent: number;
  readonly rttsMs: number[];
  readonly errors: Map<string, number>;
}

export class PingTally {
  readonly #layers = new Map<PingEchoV1['layer'], Layer>();
  #key = '';

  add({ key, layer: name, address, rttMs, error }: PingEchoV1): void {
    this.#key = key;
    const layer = this.#layers.get(name) ?? {
      address,
      sent: 0,
      rttsMs: [],
      errors: new Map<string, number>(),
    };
    this.#layers.set(name, layer);
    layer.sent++;
    if (rttMs !== undefined) layer.rttsMs.push(rttMs);
    else if (error !== undefined) layer.errors.set(error, (layer.errors.get(error) ?? 0) + 1);
  }

  /** The peer, or none before the first echo. */
  peers(): readonly PingPeerV1[] {
    if (this.#layers.size === 0) return [];
    const [overlay, underlay] = [this.#layer('overlay'), this.#layer('underlay')];
    return [
      {
        kind: 'peer',
        key: this.#key,
        ipv4: this.#key.replace(/-(\d+)(?:&.*)?$/, '/$1'),
        payloadBytes: 0,
        ...(overlay && { overlay }),
        ...(underlay && { underlay }),
      },
    ];
  }

  #layer(name: PingEchoV1['layer']): PingLayerV1 | undefined {
    const layer = this.#layers.get(name);
    if (layer === undefined) return undefined;
    const sorted = layer.rttsMs.toSorted((a, b) => a - b);
    const rtt = {
      minMs: sorted[0]!,
      avgMs: sorted.reduce((sum, rttMs) => sum + rttMs, 0) / sorted.length,
      p50Ms: sorted[Math.floor(sorted.length / 2)]!,
      maxMs: sorted.at(-1)!,
    };
    return {
      address: layer.address,
      sent: layer.sent,
      received: sorted.length,
      ...(sorted.length > 0 && { rtt }),
      errors: [...layer.errors].map(([message, count]) => ({ message, count })),
    };
  }
}
