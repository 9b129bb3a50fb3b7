export type { ClusterAccess } from './access.ts';
export { findAccess, type AccessOptions } from './find-access.ts';
export { DEFAULT_PREFIX, parseAnnotationPrefix, type AnnotationNames } from './annotations.ts';
export { ApiClient } from './api-client.ts';
export { publishedAnnotations, unpublish } from './unpublish.ts';
export { readNodeName } from './node-name.ts';
export { decodeNodeEntry } from './node-lease.ts';
export { KubernetesRegistry, type KubernetesRegistryOptions } from './registry.ts';
export { formatSavedNodes, parseSavedNodes, type SavedNodes, type SavedNodesOwner } from './saved-nodes.ts';
