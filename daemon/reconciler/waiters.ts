// Promises that wait for one moment. Each can be given up through a signal.

export class Waiters {
  readonly #waiters = new Set<{ readonly resolve: () => void; readonly reject: (reason: Error) => void }>();

  /** Resolves at the next {@link resolveAll}. @throws the signal's reason as soon as it aborts. */
  wait(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        this.#waiters.delete(waiter);
        signal?.removeEventListener('abort', onAbort);
      };
      const onAbort = (): void => waiter.reject(signal?.reason as Error);
      const waiter = {
        resolve: () => (finish(), resolve()),
        reject: (reason: Error) => (finish(), reject(reason)),
      };
      this.#waiters.add(waiter);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  resolveAll(): void {
    for (const waiter of this.#waiters) waiter.resolve();
  }

  rejectAll(reason: Error): void {
    for (const waiter of this.#waiters) waiter.reject(reason);
  }
}
