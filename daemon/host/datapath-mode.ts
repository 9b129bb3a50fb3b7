// Chooses the datapath of this host, the kernel or the userspace packet path, from network config,
// flag and handed-over devices. Pure; no other file decides this.
import type { BackendConfig, BackendType, NetworkConfig } from '../../allocator/config/config.ts';
import type { HostFacts } from '../../backends/backend.ts';
import type { PathTuning } from '../../native/packet-path.ts';

/**
 * `kernel-first`: the kernel, and the packet path if the kernel cannot. `kernel` also without
 * encapsulation.
 */
export type DatapathMode = 'kernel' | 'userspace' | 'kernel-first';

/** What the flags of this host say about the datapath. */
export interface DatapathOptions {
  /** `--userspace`: overrides `userspace` of the network config. */
  readonly userspace?: boolean | 'auto' | undefined;
  /** `isSourceChecked`: the packet path of `udp` checks sources, its device of the kernel does not. */
  readonly tuning: Pick<PathTuning, 'isSourceChecked'>;
}

/** `config` on this host. `auto` of `udp` becomes true where sources are checked. */
export function overrideUserspace(config: NetworkConfig, options: DatapathOptions): NetworkConfig {
  const { backend } = config;
  if (backend.type !== 'vxlan' && backend.type !== 'udp') return config;
  const wanted = options.userspace ?? backend.userspace;
  const isNeeded = backend.type === 'udp' && wanted === 'auto' && options.tuning.isSourceChecked;
  const userspace = isNeeded ? true : wanted;
  return userspace === backend.userspace ? config : { ...config, backend: { ...backend, userspace } };
}

/**
 * The datapath to start with. `hasHandover`: a previous process handed over packet path devices,
 * which are kept.
 */
export function chooseDatapath(backend: BackendConfig, hasHandover: boolean): DatapathMode {
  if ((backend.type !== 'vxlan' && backend.type !== 'udp') || backend.userspace === false) return 'kernel';
  return backend.userspace === true || hasHandover ? 'userspace' : 'kernel-first';
}

/** The datapath of each backend that has a choice; during a migration both may be in use. */
export interface Datapaths {
  readonly vxlan: DatapathMode;
  readonly udp: DatapathMode;
}

/** `datapaths` with that of the backend `type`; one that `type` says nothing about stays. */
export function withMode(datapaths: Datapaths, type: BackendType, mode: DatapathMode): Datapaths {
  return type === 'udp' || type === 'vxlan' ? { ...datapaths, [type]: mode } : datapaths;
}

/** Until a backend is configured. */
export const INITIAL_DATAPATHS: Datapaths = { vxlan: 'kernel-first', udp: 'userspace' };

/** Host facts with the chosen datapaths. */
export function withDatapaths(facts: HostFacts, { vxlan, udp }: Datapaths): HostFacts {
  return { ...facts, isVxlanInUserspace: vxlan === 'userspace', isUdpInKernel: udp !== 'userspace' };
}
