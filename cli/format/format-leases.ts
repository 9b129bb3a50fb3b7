// Output of `weft leases`. Pure.
import type { LeaseChangeV1, LeasesV1, LeaseV1 } from '../../api/index.ts';
import { subnetsOf } from './format-peers.ts';
import type { Style } from './style.ts';
import { formatTable } from './table.ts';

/** One line per key. */
export function formatLeases({ leases }: LeasesV1, style: Style): string {
  if (leases.length === 0) return 'no leases: no host has a subnet yet\n';
  const hasNames = leases.some(({ name }) => name !== undefined);
  const rows = leases.map((lease) => [
    subnetsOf(lease) || lease.key,
    lease.publicIp ?? lease.publicIpv6 ?? '-',
    ...(hasNames ? [lease.name ?? '-'] : []),
    lease.backend || '-',
    lease.isReservation ? 'reserved' : 'leased',
    [lease.isOwn && 'this host', lease.problem !== undefined && style.bad(`! ${lease.problem}`)]
      .filter(Boolean)
      .join('  '),
  ]);
  const heading = ['SUBNET', 'PUBLIC IP', ...(hasNames ? ['NAME'] : []), 'BACKEND', 'KIND', ''];
  const [first = '', ...lines] = formatTable([heading, ...rows]).split('\n');
  return [style.dim(first), ...lines].join('\n');
}

/** All fields of one key. */
export function formatLease(lease: LeaseV1, style: Style): string {
  const rows = [
    ['key', lease.key],
    ['subnet', subnetsOf(lease) || '-'],
    ['public IP', [lease.publicIp, lease.publicIpv6].filter(Boolean).join(', ') || '-'],
    ...(lease.name === undefined ? [] : [['host', lease.name]]),
    ['backend', lease.backend || '-'],
    [
      'kind',
      lease.isReservation ? 'reservation: it never expires' : 'lease: it expires unless its host renews it',
    ],
    ['held by', lease.isOwn ? 'this host' : 'another host'],
    ['written', `at revision ${lease.modRevision}`],
    ['value', lease.value],
    ...(lease.problem === undefined ? [] : [['problem', style.bad(lease.problem)]]),
  ];
  return formatTable(rows);
}

export function formatLeaseChange({ key, outcome }: LeaseChangeV1): string {
  if (outcome === 'unchanged') return `${key} is already reserved\n`;
  return outcome === 'reserved'
    ? `${key} is reserved for its host until weft leases release\n`
    : `${key} is released; a running host acquires it again if it is free\n`;
}
