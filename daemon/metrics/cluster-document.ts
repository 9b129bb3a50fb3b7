// GET /cluster.json: the answers of /v1/status and /v1/peers in one document, made once a second at most, however many ask.
import { systemClock } from '../../lib/clock.ts';
import type { DaemonView } from '../view/node-view.ts';
import { peersOf } from '../view/peers.ts';
import { statusOf } from '../view/status.ts';
import type { ClusterV1 } from '../../api/index.ts';

const KEPT_MS = 1000;

export class ClusterDocument {
  readonly #daemon: DaemonView;
  #made: { readonly atMs: number; readonly text: string } | undefined;

  constructor(daemon: DaemonView) {
    this.#daemon = daemon;
  }

  text(): string {
    const nowMs = systemClock.nowMs();
    if (this.#made === undefined || nowMs - this.#made.atMs > KEPT_MS) {
      const cluster: ClusterV1 = { status: statusOf(this.#daemon), peers: peersOf(this.#daemon).peers };
      this.#made = { atMs: nowMs, text: JSON.stringify(cluster) };
    }
    return this.#made.text;
  }
}
