// Who encapsulates on this host: the kernel or the packet path of this process. Decided here and nowhere else, from config,
// flag and what the host can. Pure.
import type { BackendConfig, NetworkConfig } from '../../allocator/config/config.ts';
import type { HostFacts } from '../../backends/backend.ts';

/** `kernel-first`: the kernel, and the packet path if that has no VXLAN. Also `kernel` where nothing is encapsulated. */
export type Encapsulation = 'kernel' | 'userspace' | 'kernel-first';

/** `config` as this host sees it: `userspace` of the command line outweighs that of the document. */
export function overrideUserspace(
  config: NetworkConfig,
  userspace: boolean | 'auto' | undefined,
): NetworkConfig {
  if (userspace === undefined || config.backend.type !== 'vxlan') return config;
  return { ...config, backend: { ...config.backend, userspace } };
}

/**
 * How to begin. `isInherited`: an earlier process left devices of the packet path, which were better not given up for
 * another try of the kernel.
 */
export function chooseEncapsulation(backend: BackendConfig, isInherited: boolean): Encapsulation {
  if (backend.type === 'udp') return 'userspace';
  if (backend.type !== 'vxlan' || backend.userspace === false) return 'kernel';
  return backend.userspace === true || isInherited ? 'userspace' : 'kernel-first';
}

/** Facts about the host with what was decided about it. */
export function withEncapsulation(facts: HostFacts, encapsulation: Encapsulation): HostFacts {
  return { ...facts, isVxlanInUserspace: encapsulation === 'userspace' };
}
