// The door to the etcd registry. What is behind it lives in `etcd/`.
export { DEFAULT_ENDPOINTS, DEFAULT_PREFIX } from './etcd/options.ts';
export type { EtcdOptions } from './etcd/options.ts';
export { createEtcdRegistry } from './etcd/registry.ts';
