// Log lines and events about this node and its host.
import type { Family } from '../../lib/address.ts';
import type { BackendType, NetworkConfig } from '../../allocator/config/config.ts';
import type { LeaseEvent } from '../../allocator/lease/lease-events.ts';
import type { HostFacts } from '../../backends/backend.ts';
import { overlapWarning, underlayAddresses } from '../../backends/underlay-addresses.ts';
import type { EventPublisher } from '../events/event-publisher.ts';
import { forwardingWarnings, type ForwardingSetup } from '../host/forwarding-setup.ts';
import type { HostSnapshotResult } from '../host/host-facts.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { logLeaseEvent } from '../log/lease-log.ts';
import type { LogRateLimit } from '../log/log-rate-limit.ts';
import type { Logger } from '../log/log.ts';
import { logReconcilerEvent } from '../log/reconciler-log.ts';
import type { ChecksumStatus } from '../probe/checksum-probe-loop.ts';
import { livenessMessage } from '../probe/liveness-problems.ts';
import type { Liveness } from '../probe/liveness-state.ts';
import type { ReconcilerEvent } from '../reconciler/events.ts';

export interface NodeReportsDeps {
  readonly log: Logger;
  readonly limit: LogRateLimit;
  readonly router: ForwardingSetup;
  readonly kernel: Kernel;
  readonly events: Pick<EventPublisher, 'lease' | 'reconciler' | 'offload' | 'liveness'>;
}

/** Lines of one kind in a minute. */
const MAX_PEERS_LOGGED = 10;

export class NodeReports {
  readonly #deps: NodeReportsDeps;

  constructor(deps: NodeReportsDeps) {
    this.#deps = deps;
  }

  leaseEvent(event: LeaseEvent): void {
    logLeaseEvent(this.#deps.log, this.#deps.limit, event);
    this.#deps.events.lease(event);
  }

  reconcilerEvent(event: ReconcilerEvent, { isLogged }: { readonly isLogged: boolean }): void {
    this.#deps.events.reconciler(event);
    if (isLogged) logReconcilerEvent(this.#deps.log, this.#deps.limit, event);
  }

  /** @param status - what probes found; unset if nothing. */
  offload(family: Family, status: ChecksumStatus | undefined): void {
    if (status !== undefined) this.#deps.events.offload(family, status);
  }

  /** A peer answers again, or ceased to. Many may do so at once. */
  liveness(key: string, { state, answeredMs }: Liveness): void {
    const { events, limit, log } = this.#deps;
    events.liveness(key, state);
    const suppressed = limit.take(`liveness ${state}`, MAX_PEERS_LOGGED);
    if (suppressed === undefined) return;
    const fields = {
      peer: key,
      ...(answeredMs === undefined && { hasAnswered: false }),
      ...(suppressed > 0 && { suppressed }),
    };
    if (state === 'reachable') log.info(livenessMessage(state), fields);
    else log.warn(livenessMessage(state), fields);
  }

  userspaceFallback(type: BackendType, message: string): void {
    const { log } = this.#deps;
    if (type === 'udp')
      log.info(`This kernel has no IP-in-UDP: encapsulating in userspace instead: ${message}`);
    else log.warn('This kernel has no VXLAN: encapsulating in userspace instead');
  }

  /** @param missingIpv6 - why this host has no IPv6 although the network has; unset if it has. */
  ipv6(missingIpv6: string | undefined): void {
    const { log } = this.#deps;
    if (missingIpv6 === undefined) log.info('IPv6 is available: this host uses both families');
    else log.warn(`No IPv6 on this host, using IPv4 only: ${missingIpv6}; IPv6 follows once that is fixed`);
  }

  identity({ from, to }: { readonly from: string; readonly to: string }): void {
    this.#deps.log.warn('The public IP of this host changed', { from, to });
  }

  /** Warns of a network around addresses that this host needs. */
  network(config: NetworkConfig, facts: HostFacts): void {
    const warning = overlapWarning(config, underlayAddresses(facts));
    if (warning !== undefined) this.#deps.log.warn(`Unsuitable network config: ${warning}`);
  }

  hostUnreadable({ message }: Error): void {
    if (this.#deps.limit.take('facts-unread') !== undefined)
      this.#deps.log.warn(`Cannot read interfaces and routes, trying again: ${message}`);
  }

  hostRead(result: HostSnapshotResult): void {
    const { limit, log } = this.#deps;
    if (!result.ok) {
      if (limit.take('no-interface') !== undefined)
        log.warn(`${result.message}; keeping the interface in use`);
      return;
    }
    const { chosen, missingIpv6 } = result.snapshot;
    if (missingIpv6 !== undefined && chosen.ipv6 !== undefined && limit.take('no-ipv6') !== undefined)
      log.warn(`${missingIpv6.reason}; keeping the former IPv6 address`);
  }

  /** Warnings about forwarding that the former config gave no reason for. */
  async forwardingChange(before: NetworkConfig, config: NetworkConfig): Promise<void> {
    const { kernel, log, router } = this.#deps;
    const known = await forwardingWarnings(router, kernel, before);
    for (const warning of await forwardingWarnings(router, kernel, config))
      if (!known.includes(warning)) log.warn(warning);
  }
}
