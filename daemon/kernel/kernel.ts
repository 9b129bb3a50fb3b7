// The interface to kernel state. The reconciler knows this interface only. `netlink-kernel.ts`
// implements it with the real kernel, `memory-kernel.ts` with a model for what the real one cannot
// show. One compliance suite holds for both.
import type { Cidr, Family, IpAddress, MacAddress } from '../../lib/address.ts';
import type { Ownership, UnderlayRoute } from '../../backends/backend.ts';
import type {
  CommandObject,
  FeatureObject,
  KernelObject,
  ObjectKey,
  SettingObject,
} from '../../backends/kernel-state.ts';
import type { ActualObject } from './actual-state.ts';
import type { WireguardDeviceMessage } from './wireguard/wireguard-model.ts';
import type { CommandOutput } from './commands/command-records.ts';
import type { Outcome } from './netlink/outcome.ts';

/**
 * One change. `set` creates the object or replaces what has its key; `remove` makes it absent
 * (absence is success). `current` is the object last read or notified at that key: `set` also
 * clears what it has in excess, such as further remotes of an FDB entry. To remove an object that
 * was read, pass it as it was read.
 *
 * A link whose `current` has another name is renamed, with all that is on it; where the kernel
 * rejects the rename, the link is created under the new name. An existing link is changed in place.
 * Settings that cannot be changed in place (VNI, port, flags, or others that the kernel rejects)
 * fail with `EOPNOTSUPP` and need remove and set. Any other errno would return after remove and set
 * as well.
 */
export type Step =
  | { readonly action: 'set'; readonly object: KernelObject; readonly current?: ActualObject }
  | { readonly action: 'remove'; readonly object: KernelObject };

/** How one step ended. */
export type StepResult = Outcome & { readonly step: Step };

/**
 * A device that blocks one of our objects by its name: the diff must know it, but it is no {@link
 * KernelObject}.
 */
export interface ForeignLink {
  readonly name: string;
  /** Kind as `ip -d link` shows it, empty for hardware. */
  readonly type: string;
}

/** Kernel state as it was read, limited to what the {@link Ownership} covers. */
export interface ActualState {
  /**
   * Owned objects by key; no sysctls, and links only if they are VXLAN devices or served by this
   * process. A route with a metric that weft never sets, or a second one of the same destination,
   * has a longer key, which no desired object has.
   */
  readonly objects: Map<ObjectKey, ActualObject>;
  /** Links with a name of ours that are neither VXLAN devices nor ours, by name. */
  readonly foreignLinks: Map<string, ForeignLink>;
}

/** What the last reading with a known state returned, and what its caller made of it. */
export interface KnownState {
  /** The map that was returned. */
  readonly objects: ReadonlyMap<ObjectKey, KernelObject>;
  /** Whether the object under `key` still stands for what was read. */
  isAsRead(key: ObjectKey): boolean;
}

/** An address of an interface. */
export interface InterfaceAddress {
  readonly address: IpAddress;
  readonly prefixLength: number;
  /** RT_SCOPE_* (rtnetlink(7)). */
  readonly scope: 'global' | 'site' | 'link' | 'host';
  /** IFA_F_PERMANENT: without a lifetime. */
  readonly isPermanent: boolean;
  /** IFA_F_TEMPORARY: an IPv6 privacy address (RFC 8981). */
  readonly isTemporary: boolean;
  /** IFA_F_DEPRECATED: its preferred lifetime has ended (RFC 4862 §5.5.4). */
  readonly isDeprecated: boolean;
}

/** A network interface as interface choice and facts about the host need it (`ip -d addr`). */
export interface Interface {
  readonly index: number;
  readonly name: string;
  /** In bytes. */
  readonly mtu: number;
  readonly isUp: boolean;
  readonly isLoopback: boolean;
  /** Unset unless the link layer has addresses of six bytes. */
  readonly mac?: MacAddress;
  /** Kind as `ip -d link` shows it, empty for hardware. */
  readonly type: string;
  readonly addresses: readonly InterfaceAddress[];
}

/** A route of the main table that leads somewhere or discards, for interface choice and facts about the host. */
export interface MainRoute extends UnderlayRoute {
  /** RTPROT_* (rtnetlink(7)). */
  readonly protocol: number;
  /**
   * Its next hops have several devices; `dev` and `gateway` are then the first's. Several next hops
   * through one device count as one.
   */
  readonly isMultipath: boolean;
}

/** The next hop that the kernel picks for an address. */
export interface RouteLookup {
  readonly dev: string;
  /** Unset if the address is on the link. */
  readonly gateway?: IpAddress;
  /** Preferred source address, if the kernel reports one. */
  readonly source?: IpAddress;
}

/** A change in the kernel, by this process or another one. */
export type KernelNotification =
  /**
   * An owned route, neighbour, FDB entry or firewall object: as it is now, or gone if `object` is
   * unset.
   */
  | { readonly kind: 'object'; readonly key: ObjectKey; readonly object?: ActualObject }
  /** Links or their addresses changed, and with them perhaps all that is on the links. */
  | { readonly kind: 'interfaces'; readonly names: readonly string[] }
  /** A route that is not ours was added or removed: next hops may have changed. */
  | { readonly kind: 'underlay-route'; readonly destination: Cidr }
  /** The policy of the FORWARD chain changed: ACCEPT or DROP for packets that no rule accepts. */
  | { readonly kind: 'forward-policy' }
  /** Notifications were lost: any state may have changed. */
  | { readonly kind: 'overrun' };

export interface RouteFilter {
  /** Leaves out routes with weft's protocol: one a peer, so tens of thousands. Default: no. */
  readonly isWithoutOwn?: boolean;
}

export interface Kernel {
  /**
   * Reads all that `ownership` covers. Repeats interrupted dumps. With `known` it takes objects of entries that did not change
   * from there.
   * @throws KernelReadError (as the other reads) if the kernel rejects a read or does not answer.
   */
  readState(ownership: Ownership, known?: KnownState): Promise<ActualState>;
  readInterfaces(): Promise<readonly Interface[]>;
  /** Main-table routes of both families. */
  readRoutes(filter?: RouteFilter): Promise<readonly MainRoute[]>;
  /** `ip route get ADDRESS`; `undefined` if unreachable. */
  lookupRoute(address: IpAddress): Promise<RouteLookup | undefined>;
  /** Address families whose FORWARD chain of iptables drops packets that no rule accepts. */
  readForwardDrops(): Promise<readonly Family[]>;
  /**
   * Value of the file `path` below /proc/sys, without the newline; `undefined` if it does not
   * exist.
   * @throws SysctlPathError
   */
  readSysctl(path: string): Promise<string | undefined>;
  /**
   * Whether a device has an offload on; `undefined` without such a device, or if the kernel cannot
   * report it.
   */
  readFeature(dev: string, name: FeatureObject['name']): Promise<boolean | undefined>;
  /**
   * A WireGuard device with its peers; `undefined` if there is none of that name.
   * @throws KernelReadError
   */
  readWireguard(name: string): Promise<WireguardDeviceMessage | undefined>;
  /**
   * Applies `steps` in order, batched; one result a step, in order. A failed step does not stop the
   * rest. Never rejects.
   */
  apply(steps: readonly Step[]): Promise<readonly StepResult[]>;
  /**
   * Runs a command whose output is needed before the rest, once until the commands of the host are
   * removed. Never rejects.
   */
  runStartup(command: CommandObject): Promise<CommandOutput>;
  /**
   * Starts notifications, which end with {@link close}. `ownership` is read at each one; while it
   * is `undefined`, only interfaces are reported. What the kernel notifies of because of a step on a device comes before the
   * outcome of {@link apply}. `onNotification` must not throw.
   */
  subscribe(
    ownership: () => Ownership | undefined,
    onNotification: (notification: KernelNotification) => void,
  ): void;
  /** Ends notifications; steps that are applied afterwards have an unknown outcome. */
  close(): void;
}

/**
 * Routing protocol number of weft's routes (`ip route show proto 87`); unassigned in rtnetlink.h
 * and iproute2's rt_protos.
 */
export const ROUTE_PROTOCOL = 87;

/**
 * `setting` with its present value; `undefined` if the file, device or offload does not exist.
 * @throws KernelReadError
 */
export async function readSetting<Setting extends SettingObject>(
  kernel: Pick<Kernel, 'readSysctl' | 'readFeature'>,
  setting: Setting,
): Promise<Setting | undefined> {
  if (setting.kind === 'sysctl') {
    const value = await kernel.readSysctl(setting.path);
    return value === undefined ? undefined : { ...setting, value };
  }
  const isOn = await kernel.readFeature(setting.dev, setting.name);
  return isOn === undefined ? undefined : { ...setting, isOn };
}
