// What operators call hosts: the names that weft hosts publish beside their leases, by public IP, or
// those of Nodes. Read when an operator asks, at most every half minute: no host follows the names of
// all others, which would cost each join a message to every host.
import type { Clock } from '../../../lib/clock.ts';
import type { Lease } from '../../../allocator/lease.ts';
import { HOSTS_FOLDER, parseHostReport } from '../../../allocator/registry/node-status.ts';
import type { AnyRegistry } from '../../../allocator/registry/registry.ts';

/** How old names may be, and the same while a host was asked for that has none: it may have just joined. */
const MAX_AGE_MS = 30_000;
const MAX_AGE_MISSING_MS = 5_000;
/** Longest wait of a request for names; without an answer the names known before are shown. */
const TIMEOUT_MS = 500;

/** What has a name. */
export type NamedLease = Pick<Lease, 'key'> & {
  readonly attributes: Pick<Lease['attributes'], 'publicIp' | 'publicIpv6'>;
};

/** Read-only view. */
export interface HostNamesView {
  /** The name of the host that holds `lease`; `undefined` if it publishes none. */
  readonly of: (lease: NamedLease) => string | undefined;
  /** Reads the names if they may be old. Never rejects. */
  readonly refresh: () => Promise<void>;
}

export class HostNames implements HostNamesView {
  readonly #registry: Pick<AnyRegistry, 'allocation'>;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  #names: ReadonlyMap<string, string> = new Map();
  #readAtMs = -Infinity;
  #isMissing = false;
  #reading: Promise<void> | undefined;

  constructor(registry: Pick<AnyRegistry, 'allocation'>, clock: Clock, timeoutMs = TIMEOUT_MS) {
    this.#registry = registry;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  of({ key, attributes: { publicIp, publicIpv6 } }: NamedLease): string | undefined {
    if (this.#registry.allocation === 'assigned') return key;
    const name = this.#names.get(publicIp ?? publicIpv6 ?? '');
    if (name === undefined) this.#isMissing = true;
    return name;
  }

  async refresh(): Promise<void> {
    const maxAgeMs = this.#isMissing ? MAX_AGE_MISSING_MS : MAX_AGE_MS;
    if (this.#clock.nowMs() - this.#readAtMs < maxAgeMs) return;
    this.#reading ??= this.#read().finally(() => (this.#reading = undefined));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, this.#timeoutMs)));
    await Promise.race([this.#reading, late]);
    clearTimeout(timer);
  }

  async #read(): Promise<void> {
    const registry = this.#registry as AnyRegistry;
    if (registry.allocation === 'assigned') return;
    const reports = await registry.listMeta(HOSTS_FOLDER).catch(() => undefined);
    this.#readAtMs = this.#clock.nowMs();
    this.#isMissing = false;
    if (reports === undefined) return;
    this.#names = new Map(
      [...reports].flatMap(([publicIp, text]) => {
        const name = parseHostReport(text)?.name;
        return typeof name === 'string' && name !== '' ? [[publicIp, name]] : [];
      }),
    );
  }
}
