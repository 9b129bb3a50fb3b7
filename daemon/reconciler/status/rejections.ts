// Peers that cannot be programmed because of their leases: reports each reason once. Reports are
// taken after all peers of a change are set, as a conflict may last only until then.
import type { Owner } from '../desired-state.ts';
import type { ReconcilerEvent } from '../events.ts';

/** Peers that one report names; there may be thousands. */
const NAMED_PEERS = 5;

export class Rejections {
  /** Peers reported as rejected, with the reason. */
  readonly #reported = new Map<Owner, string>();
  /** Peers whose rejection may differ from the report. */
  readonly #unchecked = new Set<Owner>();

  /** Records that the state of `peer` was computed; `isError` if it is one. */
  onStatus(peer: Owner, isError: boolean): void {
    if (isError || this.#reported.has(peer)) this.#unchecked.add(peer);
  }

  forget(peer: Owner): void {
    this.#reported.delete(peer);
  }

  /** Takes the events of new reasons; `reasonOf` gives a peer's present one, if it is rejected. */
  take(reasonOf: (peer: Owner) => string | undefined): readonly ReconcilerEvent[] {
    const changed: { readonly peer: Owner; readonly reason: string }[] = [];
    for (const peer of this.#unchecked) {
      const reason = reasonOf(peer);
      if (reason === undefined) this.#reported.delete(peer);
      else if (this.#reported.get(peer) !== reason) changed.push({ peer, reason });
    }
    this.#unchecked.clear();
    for (const { peer, reason } of changed) this.#reported.set(peer, reason);
    const named = changed
      .slice(0, NAMED_PEERS)
      .map((fields): ReconcilerEvent => ({ kind: 'peer-rejected', ...fields }));
    const more = changed.length - named.length;
    return more > 0 ? [...named, { kind: 'more-peers-rejected', more }] : named;
  }
}
