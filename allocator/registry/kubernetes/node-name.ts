// The name of this host's Node, where only that of its pod is known.
import { Backoff, type Random } from '../../../lib/backoff.ts';
import { delay, type Clock } from '../../../lib/clock.ts';
import type { ApiClient } from './api-client.ts';

export interface NodeNameOptions {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly podName: string;
  readonly podNamespace: string;
  /** A request failed; another follows. */
  readonly onError: (error: Error) => void;
  readonly signal: AbortSignal;
}

const BACKOFF = { baseMs: 500, capMs: 10_000 };

/** Asks until the API server answers. @throws the signal's reason */
export async function readNodeName(options: NodeNameOptions): Promise<string> {
  const { client, clock, onError, podName, podNamespace, random, signal } = options;
  const backoff = new Backoff({ ...BACKOFF, random });
  const path = `/api/v1/namespaces/${encodeURIComponent(podNamespace)}/pods/${encodeURIComponent(podName)}`;
  for (;;) {
    try {
      const { spec } = await client.json<{ spec?: { nodeName?: string } }>({ path, signal });
      if (spec?.nodeName !== undefined) return spec.nodeName;
      throw new Error(`pod ${podNamespace}/${podName} has no spec.nodeName; set NODE_NAME instead`);
    } catch (error) {
      signal.throwIfAborted();
      onError(error as Error);
    }
    await delay(clock, backoff.nextMs(), signal);
  }
}
