// One simulated host: a client of a memory store with its cache and lease manager, and everything
// that they reported.
import type { Cidr, IpAddress, Ipv4, Ipv4Cidr, Ipv6, Ipv6Cidr } from '../../lib/address.ts';
import { familyOf } from '../../lib/address.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import { decodeEntry } from '../../allocator/registry/lease-entry.ts';
import type { DecodedEntry } from '../../allocator/registry/lease-entry.ts';
import type {
  LeaseEvent,
  LeaseManagerState,
  OwnLease,
  OwnLeaseChange,
} from '../../allocator/lease/lease-events.ts';
import { LeaseManager } from '../../allocator/lease/lease-manager.ts';
import { encodeLeaseValue } from '../../allocator/registry/lease-value.ts';
import type { LeaseAttributes, LeaseSubnets } from '../../allocator/lease.ts';
import type { MemoryStore } from '../../allocator/registry/memory/registry-memory-store.ts';
import { MemoryRegistry } from '../../allocator/registry/memory/registry-memory.ts';
import { RegistryCache } from '../../allocator/registry/registry-cache.ts';
import type { RegistryEntry } from '../../allocator/registry/registry.ts';
import type { FakeClock } from './fake-clock.ts';

/** 10.5.0.0/16 in /24s: 256 subnets, of which the first is not used, as in flannel. */
export const NETWORK_IPV4: NetworkConfig = {
  ipv4: {
    network: '10.5.0.0/16' as Ipv4Cidr,
    subnetLength: 24,
    min: '10.5.1.0' as Ipv4,
    max: '10.5.255.0' as Ipv4,
  },
  backend: { type: 'host-gw' },
  isBackendDefaulted: false,
};

/** The same with fd00:0:0::/48 in /64s beside it. */
export const NETWORK_DUAL: NetworkConfig = {
  ...NETWORK_IPV4,
  ipv6: {
    network: 'fd00::/48' as Ipv6Cidr,
    subnetLength: 64,
    min: 'fd00:0:0:1::' as Ipv6,
    max: 'fd00:0:0:ffff::' as Ipv6,
  },
};

/** IPv6 only. */
export const NETWORK_IPV6: NetworkConfig = {
  backend: { type: 'host-gw' },
  isBackendDefaulted: false,
  ...(NETWORK_DUAL.ipv6 && { ipv6: NETWORK_DUAL.ipv6 }),
};

export interface LeaseHostOptions {
  readonly clock: FakeClock;
  readonly store: MemoryStore;
  readonly identity: string;
  /** Published, too, where the identity is an IPv4 address. */
  readonly publicIpv6?: string;
  readonly config?: NetworkConfig;
  readonly previous?: string;
  readonly random?: () => number;
  readonly delayMs?: () => number;
  readonly ttlSec?: number;
  readonly renewMarginSec?: number;
  /** Results of decoding that several hosts share; as they are immutable, so may they be. */
  readonly decode?: (entry: RegistryEntry) => DecodedEntry;
}

export class LeaseHost {
  readonly registry: MemoryRegistry;
  readonly cache: RegistryCache;
  readonly manager: LeaseManager;
  readonly events: LeaseEvent[] = [];
  readonly states: LeaseManagerState[] = [];
  readonly owns: { readonly own: OwnLease; readonly change: OwnLeaseChange }[] = [];
  readonly notifiedPeers: string[][] = [];
  /** Backend data to publish; a change shows after `manager.publish()`. */
  mac = 'aa';
  readonly publicIpv6: string | undefined;
  readonly #clock: FakeClock;

  constructor(options: LeaseHostOptions) {
    const { clock, store, identity, random = () => 0.5 } = options;
    this.#clock = clock;
    this.publicIpv6 = options.publicIpv6;
    this.registry = new MemoryRegistry(
      store,
      options.delayMs === undefined ? {} : { delayMs: options.delayMs },
    );
    this.cache = new RegistryCache({
      registry: this.registry,
      clock,
      random,
      decode: options.decode ?? decodeEntry,
    });
    this.manager = new LeaseManager({
      registry: this.registry,
      cache: this.cache,
      clock,
      random,
      nodeId: identity as IpAddress,
      ...(options.publicIpv6 === undefined ? {} : { publicIpv6: options.publicIpv6 as Ipv6 }),
      config: options.config ?? NETWORK_IPV4,
      attributes: () => attributesOf(this.manager.nodeId, this.mac, this.publicIpv6),
      ...(options.previous === undefined ? {} : { previousSubnets: subnets(options.previous) }),
      ...(options.ttlSec === undefined ? {} : { ttlSec: options.ttlSec }),
      ...(options.renewMarginSec === undefined ? {} : { renewMarginSec: options.renewMarginSec }),
      listener: {
        onOwnLease: (own, change) => this.owns.push({ own, change }),
        onPeers: (keys) => this.notifiedPeers.push([...keys].sort()),
        onState: (state) => this.states.push(state),
        onEvent: (event) => this.events.push(event),
      },
    });
  }

  /** Starts cache and manager as the daemon does. */
  async start(): Promise<this> {
    this.cache.start();
    await this.#clock.until(() => this.cache.isConnected);
    this.manager.start();
    await this.#clock.settle();
    return this;
  }

  stop(): void {
    this.manager.stop();
    this.cache.stop();
  }

  get key(): string | undefined {
    return this.manager.own?.key;
  }

  /** How many events of this code were reported. */
  count(code: LeaseEvent['code']): number {
    return this.events.filter((event) => event.code === code).length;
  }
}

/** What simulated hosts publish. */
export function attributesOf(identity: string, mac: string, publicIpv6?: string): LeaseAttributes {
  const address =
    familyOf(identity as IpAddress) === 4 ? { publicIp: identity as Ipv4 } : { publicIpv6: identity as Ipv6 };
  const beside = publicIpv6 === undefined ? {} : { publicIpv6: publicIpv6 as Ipv6 };
  return { ...beside, ...address, backendType: 'vxlan', backendData: { VNI: 1, VtepMAC: mac } };
}

/** The value text that a simulated host writes. */
export function valueOf(identity: string, mac = 'aa', publicIpv6?: string): string {
  return encodeLeaseValue(attributesOf(identity, mac, publicIpv6));
}

/** `10.5.1.0/24` or `10.5.1.0/24 fd00:0:0:1::/64` as subnets. */
export function subnets(text: string): LeaseSubnets {
  const cidrs = text.split(' ') as Cidr[];
  const ipv4 = cidrs.find((cidr) => familyOf(cidr) === 4) as Ipv4Cidr | undefined;
  const ipv6 = cidrs.find((cidr) => familyOf(cidr) === 6) as Ipv6Cidr | undefined;
  return { ...(ipv4 && { ipv4 }), ...(ipv6 && { ipv6 }) };
}
