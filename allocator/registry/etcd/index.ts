// The door to the etcd registry. What is behind it lives in `etcd/`.
export type { EtcdOptions } from './options.ts';
export { createEtcdRegistry } from './registry.ts';
export type { TlsFiles } from './tls.ts';
