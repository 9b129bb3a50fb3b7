// Takes back what a daemon published of its node, when weft is removed from it: peers drop the node,
// and Kubernetes keeps pods off it until another network says that it works.
import type { AnnotationNames } from './annotations.ts';
import type { ApiClient } from './api-client.ts';

/** Annotations that operators set stay. */
const PUBLISHED = [
  'isManaged',
  'backendType',
  'backendData',
  'backendV6Data',
  'publicIp',
  'publicIpv6',
  'weft',
] as const satisfies readonly (keyof AnnotationNames)[];

export interface PublishedNode {
  readonly client: Pick<ApiClient, 'json'>;
  readonly names: AnnotationNames;
  readonly nodeName: string;
}

/** The names of annotations that a daemon published. @throws RegistryError */
export async function publishedAnnotations(node: PublishedNode): Promise<readonly string[]> {
  const { metadata } = await node.client.json<{
    metadata: { annotations?: Readonly<Record<string, string>> };
  }>({ path: pathOf(node.nodeName) });
  return PUBLISHED.map((key) => node.names[key]).filter((name) => metadata.annotations?.[name] !== undefined);
}

/** Removes them and sets NetworkUnavailable, in one request. @throws RegistryError */
export async function unpublish({ client, names, nodeName }: PublishedNode, nowMs: number): Promise<void> {
  const now = new Date(nowMs).toISOString();
  const condition = {
    type: 'NetworkUnavailable',
    status: 'True',
    reason: 'WeftRemoved',
    message: 'weft was removed from this node',
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  };
  const annotations = Object.fromEntries(PUBLISHED.map((key) => [names[key], null]));
  await client.json({
    method: 'PATCH',
    path: `${pathOf(nodeName)}/status`,
    contentType: 'application/strategic-merge-patch+json',
    body: { metadata: { annotations }, status: { conditions: [condition] } },
  });
}

function pathOf(nodeName: string): string {
  return `/api/v1/nodes/${encodeURIComponent(nodeName)}`;
}
