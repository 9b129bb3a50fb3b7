// GET /cluster.json: the documents of /v1/status and /v1/peers in one, rebuilt at most once a
// second.
import type { ClusterV1 } from '../../api/index.ts';
import type { NodeView } from '../view/node-view.ts';
import { peersOf } from '../view/peers.ts';
import { statusOf } from '../view/status.ts';

const MAX_AGE_MS = 1000;

export class ClusterDocument {
  readonly #daemon: NodeView;
  #cached: { readonly atMs: number; readonly text: string } | undefined;

  constructor(daemon: NodeView) {
    this.#daemon = daemon;
  }

  text(): string {
    const nowMs = this.#daemon.clock.nowMs();
    if (this.#cached === undefined || nowMs - this.#cached.atMs > MAX_AGE_MS) {
      // For the next document: this one takes the names known now.
      void this.#daemon.hostNames?.refresh();
      const cluster: ClusterV1 = { status: statusOf(this.#daemon), peers: peersOf(this.#daemon).peers };
      this.#cached = { atMs: nowMs, text: JSON.stringify(cluster) };
    }
    return this.#cached.text;
  }
}
