// Resolves what a network config needs of this host before it joins: capabilities, firewall tools,
// an interface. It waits for the interface; every other missing prerequisite is an error.
import { WeftError } from '../../api/index.ts';
import type { NetworkConfig } from '../../allocator/config/config.ts';
import {
  chooseDatapath,
  INITIAL_DATAPATHS,
  withDatapaths,
  withMode,
  type DatapathMode,
  type Datapaths,
} from './datapath-mode.ts';
import { configForHost } from './family-choice.ts';
import type { HostSnapshot } from './host-facts.ts';
import { familiesOf, type InterfaceOptions } from './interface-facts.ts';
import { awaitInterface } from './interface-wait.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Logger } from '../log/log.ts';
import type { LogRateLimit } from '../log/log-rate-limit.ts';
import { runStartup, withExtension } from './extension-startup.ts';
import { checkPrerequisites, checkHost } from './prerequisites.ts';
import { forwardingWarnings, type ForwardingSetup } from './forwarding-setup.ts';

export interface HostPreparation {
  readonly config: NetworkConfig;
  readonly router: Promise<ForwardingSetup>;
  /** Whether a previous process handed over packet path devices. */
  readonly hasInherited: boolean;
  readonly interface: InterfaceOptions;
  /** Called once the datapath is chosen. */
  readonly openKernel: (router: ForwardingSetup, encapsulation: DatapathMode) => Kernel;
  /** Called before the first search for an interface, and with the reason after each that fails. */
  readonly onWaiting: (reason?: string) => void;
  /** Whether a newer config exists. */
  readonly isStale: () => boolean;
  readonly log: Logger;
  readonly limit: LogRateLimit;
  readonly signal: AbortSignal;
}

export interface PreparedHost {
  readonly config: NetworkConfig;
  readonly datapaths: Datapaths;
  readonly router: ForwardingSetup;
  readonly kernel: Kernel;
  readonly snapshot: HostSnapshot;
  /** What the PreStartupCommand of the backend extension printed. Absent without one. */
  readonly extensionData?: string;
}

/** Why the daemon cannot run on this host. One line with the remedy. */
export class UnsuitableHostError extends WeftError {
  constructor(message: string) {
    super('HOST_UNSUITABLE', message);
  }
}

/**
 * Resolves the host for the config; `undefined` if a newer config arrived before an interface did.
 * @throws UnsuitableHostError, or the signal's reason
 */
export async function resolveHost(options: HostPreparation): Promise<PreparedHost | undefined> {
  const { config, hasInherited, openKernel, onWaiting, log, limit, signal, isStale } = options;
  const encapsulation = chooseDatapath(config.backend, hasInherited);
  rejectIf(await checkPrerequisites(config, encapsulation));
  const router = await options.router;
  const choice = router.choose(config);
  if (!choice.ok) throw new UnsuitableHostError(choice.message);
  const kernel = openKernel(router, encapsulation);
  for (const warning of await forwardingWarnings(router, kernel, config)) log.warn(warning);
  onWaiting();
  const families = familiesOf(config);
  const wait = {
    kernel,
    options: options.interface,
    families,
    log,
    limit,
    signal,
    isStale,
    onFailure: onWaiting,
  };
  const snapshot = await awaitInterface(wait);
  if (snapshot === undefined) return undefined;
  const datapaths = withMode(INITIAL_DATAPATHS, config.backend.type, encapsulation);
  const startup = await runStartup(kernel, config);
  if (!startup.ok) throw new UnsuitableHostError(startup.message);
  const { extensionData } = startup;
  const facts = withExtension(withDatapaths(snapshot.facts, datapaths), extensionData);
  rejectIf(checkHost(configForHost(config, facts, snapshot.missingIpv6).config, facts));
  return {
    config,
    datapaths,
    router,
    kernel,
    snapshot,
    ...(extensionData !== undefined && { extensionData }),
  };
}

function rejectIf(reason: string | undefined): void {
  if (reason !== undefined) throw new UnsuitableHostError(reason);
}
