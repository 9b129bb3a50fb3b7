// Runs one watch of a Registry and keeps what it reports, so that a test can wait for it without
// polling.
import type { RegistryEvent, RegistryReader, Revision, WatchEnd } from '../../allocator/registry/registry.ts';

/** A running watch and all that it reported. */
export interface WatchRecorder {
  readonly events: RegistryEvent[];
  /** Revision of each batch, in the order of arrival. */
  readonly revisions: Revision[];
  /** Resolves once the server accepted the watch; rejects if it ended before. */
  readonly ready: Promise<void>;
  readonly ended: Promise<WatchEnd>;
  /** Resolves once at least `count` events arrived; rejects if the watch ended before. */
  seen(count: number): Promise<void>;
  stop(): Promise<WatchEnd>;
}

/** Starts a watch. The caller stops it or closes the registry. */
export function recordWatch(registry: Pick<RegistryReader, 'watch'>, fromRevision: Revision): WatchRecorder {
  const events: RegistryEvent[] = [];
  const revisions: Revision[] = [];
  const controller = new AbortController();
  let markReady: () => void = () => undefined;
  const accepted = new Promise<void>((resolve) => {
    markReady = resolve;
  });
  let waiters: { readonly count: number; readonly resolve: () => void }[] = [];

  const ended = registry.watch({
    fromRevision,
    signal: controller.signal,
    onReady: () => markReady(),
    onEvents: (batch, revision) => {
      events.push(...batch);
      revisions.push(revision);
      for (const waiter of waiters) if (events.length >= waiter.count) waiter.resolve();
      waiters = waiters.filter((waiter) => events.length < waiter.count);
    },
  });
  const endedEarly = ended.then((end) => {
    throw new Error(`The watch ended (${end.reason}) with ${events.length} events`);
  });
  // Without a waiter the rejection is ignored.
  endedEarly.catch(() => undefined);
  const readyOrEnded = Promise.race([accepted, endedEarly]);
  readyOrEnded.catch(() => undefined);

  return {
    events,
    revisions,
    ready: readyOrEnded,
    ended,
    seen: (count) => {
      if (events.length >= count) return Promise.resolve();
      const arrived = new Promise<void>((resolve) => waiters.push({ count, resolve }));
      return Promise.race([arrived, endedEarly]);
    },
    stop: () => {
      controller.abort();
      return ended;
    },
  };
}
