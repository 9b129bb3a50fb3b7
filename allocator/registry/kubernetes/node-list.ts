// Lists nodes: streamed, decompressed and projected item by item, so that 5,000 nodes of 14 KB need
// no more memory than what is kept of them.
import { toRevision } from '../registry.ts';
import type { Revision } from '../registry.ts';
import { RegistryError } from '../registry.ts';
import type { ApiClient } from './api-client.ts';
import { readChunks } from './body-chunks.ts';
import { JsonItemSplitter } from './json-items.ts';
import type { NodeObject } from './node-record.ts';

/** Media type of lists without spec and status. */
const METADATA_LIST = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';
const TIMEOUT_MS = 30_000;

/** How fresh the answer must be; see "Resource versions" in the Kubernetes API concepts. */
export type Consistency =
  /** What the server has in its cache. */
  | { readonly kind: 'any' }
  | { readonly kind: 'not-older'; readonly revision: Revision }
  /** What etcd has. */
  | { readonly kind: 'latest' };

export interface ListOptions {
  /** Metadata alone has the annotations, at a third of the size. */
  readonly isMetadataOnly: boolean;
  readonly consistency: Consistency;
  readonly onNode: (node: NodeObject) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Returns the revision of the list. @throws RegistryError */
export async function listNodes(
  client: ApiClient,
  { consistency, isMetadataOnly, onNode, signal }: ListOptions,
): Promise<Revision> {
  const path = `/api/v1/nodes${queryOf(consistency)}`;
  const accept = isMetadataOnly ? METADATA_LIST : 'application/json';
  const { body, server } = await client.send({ path, accept, timeoutMs: TIMEOUT_MS, signal });
  const splitter = new JsonItemSplitter((text) => onNode(JSON.parse(text) as NodeObject));
  try {
    for await (const chunk of readChunks(body, { server, silenceMs: TIMEOUT_MS })) splitter.write(chunk);
    const revision = Number(splitter.end().metadata?.resourceVersion);
    if (!Number.isSafeInteger(revision)) throw new Error('the list has no metadata.resourceVersion');
    return toRevision(revision);
  } catch (error) {
    signal?.throwIfAborted();
    const message = `GET /api/v1/nodes at ${server}: ${(error as Error).message}`;
    throw new RegistryError('REGISTRY_UNAVAILABLE', message, { cause: error });
  }
}

function queryOf(consistency: Consistency): string {
  if (consistency.kind === 'any') return '?resourceVersion=0';
  if (consistency.kind === 'latest') return '';
  return `?resourceVersion=${consistency.revision}&resourceVersionMatch=NotOlderThan`;
}
