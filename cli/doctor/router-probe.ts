// Echoes that may pass no router: the router that drops one says so. It says so rarely, so one answer has to do.
import type { IpAddress } from '../../lib/address.ts';
import type { Prober } from '../../daemon/probe/prober.ts';
import type { ProbeReport } from '../../daemon/probe/report.ts';

/**
 * More than the second in which a kernel that has answered too often answers a host once more
 * (icmp(7), icmp_ratelimit).
 */
const TIMEOUT_MS = 1100;
/** Of the answers, the checksum probe may take one, and another program as well. */
const ATTEMPTS = 3;

/** Sends echoes to `address` until one gets a reply or an error. @throws ProbeError */
export async function probeRouter(prober: Pick<Prober, 'probe'>, address: IpAddress): Promise<ProbeReport> {
  for (let attempt = 1; ; attempt++) {
    const report = await prober.probe(address, { count: 1, timeoutMs: TIMEOUT_MS });
    if (report.received > 0 || report.errors.length > 0 || attempt === ATTEMPTS) return report;
  }
}
