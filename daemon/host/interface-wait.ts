// Waits for a usable interface: at boot, addresses may appear after the daemon starts. It stops
// waiting for a newer network config, which may need other families.
import { setTimeout as sleep } from 'node:timers/promises';
import { readHost, type HostSnapshot } from './host-facts.ts';
import type { Families, InterfaceOptions } from './interface-facts.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Logger } from '../log/log.ts';
import type { LogRateLimit } from '../log/log-rate-limit.ts';

const RETRY_MS = 1000;
/** Router advertisements take seconds; starting without IPv6 would publish a lease without it. */
const IPV6_WAIT_MS = 5000;
const IPV6_RETRY_MS = 100;

export interface InterfaceWait {
  readonly kernel: Kernel;
  readonly options: InterfaceOptions;
  readonly families: Families;
  readonly log: Logger;
  readonly limit: LogRateLimit;
  readonly signal: AbortSignal;
  /** Whether a newer config exists. */
  readonly isStale: () => boolean;
  /** Called with the reason whenever no interface can be chosen. */
  readonly onFailure: (reason: string) => void;
}

/**
 * Resolves with the first possible choice and logs it; with `undefined` once stale.
 * @throws the signal's reason
 */
export async function awaitInterface({
  kernel,
  options,
  families,
  log,
  limit,
  signal,
  isStale,
  onFailure,
}: InterfaceWait): Promise<HostSnapshot | undefined> {
  const ipv6DeadlineMs = performance.now() + IPV6_WAIT_MS;
  while (!isStale()) {
    const result = await readHost(kernel, options, families);
    const isPending = result.ok && result.snapshot.missingIpv6?.isPending === true;
    if (result.ok && (!isPending || performance.now() > ipv6DeadlineMs)) {
      logChoice(result.snapshot, log);
      return result.snapshot;
    }
    if (!result.ok) {
      onFailure(result.message);
      if (limit.take('no-interface') !== undefined) log.error(result.message);
    }
    await sleep(result.ok ? IPV6_RETRY_MS : RETRY_MS, undefined, { signal });
  }
  return undefined;
}

function logChoice({ chosen, warnings }: HostSnapshot, log: Logger): void {
  const { name, mtu, publicIp, publicIpv6, selectedBy } = chosen;
  for (const warning of warnings) log.warn(warning);
  log.info('Chose an interface', { interface: name, mtu, publicIp, publicIpv6, selectedBy });
}
