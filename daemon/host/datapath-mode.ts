// Chooses the datapath of this host, the kernel or the userspace packet path, from network config,
// flag and handed-over devices. Pure; no other file decides this.
import type { BackendConfig, NetworkConfig } from '../../allocator/config/config.ts';
import type { HostFacts } from '../../backends/backend.ts';

/**
 * `kernel-first`: the kernel, and the packet path if the kernel has no VXLAN. `kernel` also without
 * encapsulation.
 */
export type DatapathMode = 'kernel' | 'userspace' | 'kernel-first';

/** `config` on this host: `--userspace` overrides `userspace` of the network config. */
export function overrideUserspace(
  config: NetworkConfig,
  userspace: boolean | 'auto' | undefined,
): NetworkConfig {
  if (userspace === undefined || config.backend.type !== 'vxlan') return config;
  return { ...config, backend: { ...config.backend, userspace } };
}

/**
 * The datapath to start with. `hasHandover`: a previous process handed over packet path devices,
 * which are kept.
 */
export function chooseDatapath(backend: BackendConfig, hasHandover: boolean): DatapathMode {
  if (backend.type === 'udp') return 'userspace';
  if (backend.type !== 'vxlan' || backend.userspace === false) return 'kernel';
  return backend.userspace === true || hasHandover ? 'userspace' : 'kernel-first';
}

/** Host facts with the chosen datapath. */
export function withDatapath(facts: HostFacts, mode: DatapathMode): HostFacts {
  return { ...facts, isVxlanInUserspace: mode === 'userspace' };
}
