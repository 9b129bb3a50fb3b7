// Public interface of the etcd registry.
export type { EtcdOptions } from './options.ts';
export { createEtcdRegistry } from './registry.ts';
export type { TlsFiles } from './tls.ts';
