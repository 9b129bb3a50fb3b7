// The one door to kernel state. The reconciler knows this interface only; `netlink-kernel.ts` is the real kernel,
// `memory-kernel.ts` a model of it for what the real one cannot show. One compliance suite holds for both.
import type { Cidr, Family, IpAddress, MacAddress } from '../../lib/address.ts';
import type { Ownership, UnderlayRoute } from '../../backends/backend.ts';
import type { FeatureObject, KernelObject, ObjectKey, SettingObject } from '../../backends/kernel-state.ts';
import type { ActualObject } from './actual.ts';
import type { Outcome } from './netlink/outcome.ts';

/**
 * One change. `set` creates the object or replaces what has its key; `remove` makes it absent (absence is success).
 * `current` is what was read or noticed at that key: `set` also clears away what it has too much (further remotes of an
 * FDB entry, for example). To remove what was read, pass the object as it was read.
 *
 * A link whose `current` has another name is that device under its new name, with all that is on it; where the kernel will
 * not have that, it is made anew. A link that exists is changed in place. What cannot be changed so (VNI, port, flags, or whatever the kernel refuses)
 * fails with `EOPNOTSUPP` and wants remove and set; any other errno would come again after that, too.
 */
export type Step =
  | { readonly action: 'set'; readonly object: KernelObject; readonly current?: ActualObject }
  | { readonly action: 'remove'; readonly object: KernelObject };

/** How one step ended. */
export type StepResult = Outcome & { readonly step: Step };

/** Something in the way of one of our objects that the diff must know, but that is no {@link KernelObject}. */
export interface ForeignLink {
  readonly name: string;
  /** Kind as `ip -d link` shows it, empty for hardware. */
  readonly type: string;
}

/** What is in the kernel now, limited to what the {@link Ownership} covers. */
export interface ActualState {
  /**
   * Owned objects by key; a link only if it is a VXLAN device, no sysctls. A route with a metric that weft never sets,
   * or a second one of the same destination, has a longer key of its own, which no desired object has.
   */
  readonly objects: Map<ObjectKey, ActualObject>;
  /** Links with a name of ours that are no VXLAN device, by name. */
  readonly foreignLinks: Map<string, ForeignLink>;
}

export interface InterfaceAddress {
  readonly address: IpAddress;
  readonly prefixLength: number;
  readonly scope: 'global' | 'site' | 'link' | 'host';
  readonly isPermanent: boolean;
  readonly isTemporary: boolean;
  readonly isDeprecated: boolean;
}

/** A network interface as interface choice and facts about the host need it (`ip -d addr`). */
export interface Interface {
  readonly index: number;
  readonly name: string;
  readonly mtu: number;
  readonly isUp: boolean;
  readonly isLoopback: boolean;
  readonly mac?: MacAddress;
  readonly type: string;
  readonly addresses: readonly InterfaceAddress[];
}

/** A unicast route of the main table, for interface choice and facts about the host. */
export interface MainRoute extends UnderlayRoute {
  readonly protocol: number;
  /** True if it has several next hops; `dev` and `gateway` are then the first's. */
  readonly isMultipath: boolean;
}

export interface RouteLookup {
  readonly dev: string;
  readonly gateway?: IpAddress;
  readonly source?: IpAddress;
}

/**
 * What changed in the kernel, whoever did it. `object`: one owned route, neighbour, FDB entry or firewall object, as it is now (`object`
 * set) or gone. `interfaces`: links or addresses changed, and with them perhaps anything. `overrun`: notifications were lost.
 */
export type KernelNotification =
  | { readonly kind: 'object'; readonly key: ObjectKey; readonly object?: ActualObject }
  | { readonly kind: 'interfaces'; readonly names: readonly string[] }
  /** A route that is not ours came or went: next hops may have changed. */
  | { readonly kind: 'underlay-route'; readonly destination: Cidr }
  /** What the FORWARD chain does with packets that no rule accepts is something else now. */
  | { readonly kind: 'forward-policy' }
  | { readonly kind: 'overrun' };

export interface Kernel {
  /**
   * Reads all that `ownership` covers. Retries interrupted dumps.
   * @throws KernelReadError (as the other reads) if the kernel refuses or does not answer.
   */
  readState(ownership: Ownership): Promise<ActualState>;
  readInterfaces(): Promise<readonly Interface[]>;
  /** Main-table routes of both families. */
  readRoutes(): Promise<readonly MainRoute[]>;
  /** `ip route get ADDRESS`; `undefined` if unreachable. */
  lookupRoute(address: IpAddress): Promise<RouteLookup | undefined>;
  /** Families whose FORWARD chain of iptables drops what no rule accepts. */
  readForwardDrops(): Promise<readonly Family[]>;
  /** Value of a file below /proc/sys, without the newline; `undefined` if it does not exist. */
  readSysctl(path: string): Promise<string | undefined>;
  /** Whether a device has an offload on; `undefined` without such a device or offload, or if the kernel cannot tell. */
  readFeature(dev: string, name: FeatureObject['name']): Promise<boolean | undefined>;
  /** Applies `steps` in order, batched; one result a step, in order. A failed step does not stop the rest. */
  apply(steps: readonly Step[]): Promise<readonly StepResult[]>;
  /** Starts notifications; `ownership` is asked anew at each one. Ends with {@link close}. */
  subscribe(
    ownership: () => Ownership | undefined,
    onNotification: (notification: KernelNotification) => void,
  ): void;
  close(): void;
}

/** Routing protocol number of weft's routes (`ip route show proto 87`), from the range that no one has registered. */
export const ROUTE_PROTOCOL = 87;

/** `setting` as it is now; `undefined` if there is no such thing. */
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
