// The door to the etcd registry. What is behind it lives in `etcd/`.
export type { EtcdOptions } from './etcd/options.ts';
export { createEtcdRegistry } from './etcd/registry.ts';
export type { TlsFiles } from './etcd/tls.ts';
