// What a network config needs of this host before the host can join: firewall programs, what the kernel can do, an interface.
// Waits for the interface alone; everything else is there or will not come.
import type { NetworkConfig } from '../../allocator/config/config.ts';
import { chooseEncapsulation, withEncapsulation, type Encapsulation } from './datapath-mode.ts';
import { configForHost } from './family-choice.ts';
import type { HostSnapshot } from './host-facts.ts';
import { familiesOf, type InterfaceOptions } from './interface-facts.ts';
import { awaitInterface } from './interface-wait.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Logger } from '../log/log.ts';
import type { LogRateLimit } from '../log/log-rate-limit.ts';
import { checkHostPrerequisites, unsuitableHost } from './prerequisites.ts';
import { doubtsAbout, type ForwardingSetup } from './forwarding-setup.ts';

export interface HostPreparation {
  readonly config: NetworkConfig;
  readonly router: Promise<ForwardingSetup>;
  /** Whether devices of the packet path were taken over from an earlier process. */
  readonly hasInherited: boolean;
  readonly interface: InterfaceOptions;
  /** Called once the encapsulation is known. */
  readonly openKernel: (router: ForwardingSetup, encapsulation: Encapsulation) => Kernel;
  /** Called before the first look for an interface. */
  readonly onWaiting: () => void;
  /** Whether there is another config by now. */
  readonly isStale: () => boolean;
  readonly log: Logger;
  readonly limit: LogRateLimit;
  readonly signal: AbortSignal;
}

export interface PreparedHost {
  readonly config: NetworkConfig;
  readonly encapsulation: Encapsulation;
  readonly router: ForwardingSetup;
  readonly kernel: Kernel;
  readonly reading: HostSnapshot;
}

/** Why the daemon cannot run here. One line with the remedy. */
export class UnsuitableHostError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnsuitableHostError';
  }
}

/**
 * Everything that the config needs on this host; `undefined` if another config came before an interface did.
 * @throws UnsuitableHostError, or the signal's reason
 */
export async function resolveHost(options: HostPreparation): Promise<PreparedHost | undefined> {
  const { config, hasInherited, openKernel, onWaiting, log, limit, signal, isStale } = options;
  const encapsulation = chooseEncapsulation(config.backend, hasInherited);
  rejectIf(await checkHostPrerequisites(config, encapsulation));
  const router = await options.router;
  const choice = router.choose(config);
  if (!choice.ok) throw new UnsuitableHostError(choice.message);
  const kernel = openKernel(router, encapsulation);
  for (const doubt of await doubtsAbout(router, kernel, config)) log.warn(doubt);
  onWaiting();
  const families = familiesOf(config);
  const wait = { kernel, options: options.interface, families, log, limit, signal, isStale };
  const reading = await awaitInterface(wait);
  if (reading === undefined) return undefined;
  const facts = withEncapsulation(reading.facts, encapsulation);
  rejectIf(unsuitableHost(configForHost(config, facts, reading.lack).config, facts));
  return { config, encapsulation, router, kernel, reading };
}

function rejectIf(reason: string | undefined): void {
  if (reason !== undefined) throw new UnsuitableHostError(reason);
}
