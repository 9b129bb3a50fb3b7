// Waits until an interface can serve: at boot, addresses come later than daemons. Or until there is another network config,
// which may ask for less.
import { setTimeout as sleep } from 'node:timers/promises';
import { readHost, type HostSnapshot } from './host-facts.ts';
import type { Families, InterfaceOptions } from './interface-facts.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Logger } from '../log/log.ts';
import type { LogRateLimit } from '../log/log-rate-limit.ts';

const RETRY_MS = 1000;
/** Routers take seconds to tell addresses; to begin without IPv6 would tell the whole cluster that this host has none. */
const IPV6_WAIT_MS = 5000;
const IPV6_RETRY_MS = 100;

export interface InterfaceWait {
  readonly kernel: Kernel;
  readonly options: InterfaceOptions;
  readonly families: Families;
  readonly log: Logger;
  readonly limit: LogRateLimit;
  readonly signal: AbortSignal;
  /** Whether nobody needs these families any more. */
  readonly isStale: () => boolean;
}

/** Resolves with the first choice that can be made, and tells it; with `undefined` once outdated. @throws the signal's reason. */
export async function awaitInterface({
  kernel,
  options,
  families,
  log,
  limit,
  signal,
  isStale,
}: InterfaceWait): Promise<HostSnapshot | undefined> {
  const ipv6DeadlineMs = performance.now() + IPV6_WAIT_MS;
  while (!isStale()) {
    const result = await readHost(kernel, options, families);
    const isComing = result.ok && result.reading.lack?.isComing === true;
    if (result.ok && (!isComing || performance.now() > ipv6DeadlineMs)) {
      tellChoice(result.reading, log);
      return result.reading;
    }
    if (!result.ok && limit.take('no-interface') !== undefined) log.error(result.message);
    await sleep(result.ok ? IPV6_RETRY_MS : RETRY_MS, undefined, { signal });
  }
  return undefined;
}

function tellChoice({ chosen, warnings }: HostSnapshot, log: Logger): void {
  const { name, mtu, publicIp, publicIpv6, selectedBy } = chosen;
  for (const warning of warnings) log.warn(warning);
  log.info('Chose an interface', { interface: name, mtu, publicIp, publicIpv6, selectedBy });
}
