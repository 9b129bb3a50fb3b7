// Callers that wait for a fresh list of the registry. A request made during a list waits for the
// next one.
interface Request {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class ResyncRequests {
  #waiting: Request[] = [];

  /** No caller waits. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /**
   * Resolves when {@link serve} succeeds that begins after this call; rejects on {@link rejectAll}.
   */
  add(): Promise<void> {
    const request = createRequest();
    // A caller that no longer waits ignores the rejection.
    request.promise.catch(() => undefined);
    this.#waiting.push(request);
    return request.promise;
  }

  /**
   * Serves the requests made so far by `list`; if it fails they wait for the next one. @throws what
   * `list` throws.
   */
  async serve(list: (isRequested: boolean) => Promise<void>): Promise<void> {
    const served = this.#waiting.splice(0);
    try {
      await list(served.length > 0);
    } catch (error) {
      this.#waiting.unshift(...served);
      throw error;
    }
    for (const request of served) request.resolve();
  }

  rejectAll(error: Error): void {
    for (const request of this.#waiting.splice(0)) request.reject(error);
  }
}

function createRequest(): Request {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
