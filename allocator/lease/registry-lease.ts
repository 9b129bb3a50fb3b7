// The registry lease that this host's key is attached to, as data: granted or taken over, and
// renewed under the same id. Times count from before the request, so that this host never trusts
// the lease longer than the registry does. Pure.
import { backoffDelayMs } from '../../lib/backoff.ts';
import type { LeaseId } from '../registry/registry.ts';
import type { Now } from '../../lib/clock.ts';

export interface RegistryLease {
  /** Unset if there is none, or it ended, or another host owns it. */
  readonly id: LeaseId | undefined;
  /** When the registry may end it, on the manager's clock. */
  readonly expiresAtMs: number;
  readonly renewAtMs: number;
  /** Whether a key of this host is attached. */
  readonly isUsed: boolean;
  /** Renewals that failed in a row. */
  readonly failures: number;
}

/** How long leases live and when they are renewed, in seconds. */
export interface LeaseTerms {
  readonly ttlSec: number;
  /** Latest renewal before the end; without effect on a life that is shorter. */
  readonly renewMarginSec: number;
}

/** An answer of the registry about a lease. `ttlSec` is the life left, counted from `sentAtMs`. */
export interface LeaseGrant {
  readonly leaseId: LeaseId;
  readonly sentAtMs: number;
  readonly ttlSec: number;
}

export const NO_REGISTRY_LEASE: RegistryLease = {
  id: undefined,
  expiresAtMs: 0,
  renewAtMs: 0,
  isUsed: false,
  failures: 0,
};

const RENEW_BACKOFF = { baseMs: 1000, capMs: 60_000 };

/** The id of a lease that is alive at `nowMs`. */
export function aliveLeaseId({ id, expiresAtMs }: RegistryLease, nowMs: number): LeaseId | undefined {
  return nowMs < expiresAtMs ? id : undefined;
}

export function grantedLease(grant: LeaseGrant, terms: LeaseTerms, now: Now): RegistryLease {
  return { ...lifeOf(grant, terms, now), id: grant.leaseId, isUsed: false, failures: 0 };
}

export function keptAliveLease(grant: LeaseGrant, terms: LeaseTerms, now: Now): RegistryLease {
  return { ...grantedLease(grant, terms, now), isUsed: true };
}

/** A renewal failed: tries again with back-off. */
export function renewLater(lease: RegistryLease, now: Now): RegistryLease {
  const renewAtMs = now.ms + backoffDelayMs(RENEW_BACKOFF, lease.failures, now.jitter);
  return { ...lease, renewAtMs, failures: lease.failures + 1 };
}

export function renewNow(lease: RegistryLease): RegistryLease {
  return { ...lease, renewAtMs: 0 };
}

/** The lease ended, or belongs to another host. */
export function forgetLease(lease: RegistryLease): RegistryLease {
  return { ...lease, id: undefined, isUsed: false };
}

/**
 * The id of a lease without a key of this host: to be revoked. A key that a lost request attached
 * to it goes with it.
 */
export function unusedLeaseId({ id, isUsed }: RegistryLease): LeaseId | undefined {
  return isUsed ? undefined : id;
}

function lifeOf(
  { sentAtMs, ttlSec }: LeaseGrant,
  { renewMarginSec }: LeaseTerms,
  { jitter }: Now,
): Pick<RegistryLease, 'expiresAtMs' | 'renewAtMs'> {
  const beforeMarginSec = ttlSec > renewMarginSec ? ttlSec - renewMarginSec : ttlSec;
  const intervalSec = Math.min(ttlSec / 3, beforeMarginSec);
  // Up to a tenth earlier, so that the renewals of hosts that booted together drift apart.
  return {
    expiresAtMs: sentAtMs + ttlSec * 1000,
    renewAtMs: sentAtMs + intervalSec * 1000 * (1 - jitter / 10),
  };
}
