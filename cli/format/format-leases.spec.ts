import assert from 'node:assert/strict';
import type { LeaseV1 } from '../../api/index.ts';
import { AT } from '../fixture/status.ts';
import { formatLease, formatLeaseChange, formatLeases } from './format-leases.ts';
import { PLAIN } from './style.ts';
import { formatContents } from '../commands/sysdump.ts';

const OWN: LeaseV1 = {
  key: '10.5.176.0-24',
  ipv4: '10.5.176.0/24',
  publicIp: '198.18.1.1',
  backend: 'vxlan',
  isReservation: false,
  isOwn: true,
  modRevision: 5,
  value: '{"PublicIP":"198.18.1.1"}',
};
const RESERVED: LeaseV1 = {
  ...OWN,
  key: '10.5.9.0-24&fd00:0:0:9::-64',
  ipv4: '10.5.9.0/24',
  ipv6: 'fd00:0:0:9::/64',
  publicIpv6: 'fd18::2',
  backend: '',
  isReservation: true,
  isOwn: false,
};
const RUBBISH: LeaseV1 = {
  key: 'rubbish',
  backend: '',
  isReservation: true,
  isOwn: false,
  modRevision: 7,
  problem: '"rubbish" is no subnet key',
  value: 'x',
};

describe('weft leases prints', () => {
  it('every key, including invalid ones', () => {
    assert.equal(
      formatLeases({ version: 1, at: AT, revision: 9, leases: [OWN, RESERVED, RUBBISH] }, PLAIN),
      `SUBNET                        PUBLIC IP   BACKEND  KIND
10.5.176.0/24                 198.18.1.1  vxlan    leased    this host
10.5.9.0/24, fd00:0:0:9::/64  198.18.1.1  -        reserved
rubbish                       -           -        reserved  ! "rubbish" is no subnet key
`,
    );
  });

  it('a line without leases', () => {
    const none = formatLeases({ version: 1, at: AT, revision: 9, leases: [] }, PLAIN);
    assert.equal(none, 'no leases: no host has a subnet yet\n');
  });

  it('one key in detail', () => {
    assert.equal(
      formatLease(RESERVED, PLAIN),
      `key        10.5.9.0-24&fd00:0:0:9::-64
subnet     10.5.9.0/24, fd00:0:0:9::/64
public IP  198.18.1.1, fd18::2
backend    -
kind       reservation: it never expires
held by    another host
written    at revision 5
value      {"PublicIP":"198.18.1.1"}
`,
    );
  });

  it('the outcome of a change', () => {
    const outcomes = ['reserved', 'released', 'unchanged'] as const;
    assert.deepEqual(
      outcomes.map((outcome) => formatLeaseChange({ key: '10.5.9.0-24', outcome, revision: 9 })),
      [
        '10.5.9.0-24 is reserved for its host until weft leases release\n',
        '10.5.9.0-24 is released; a running host acquires it again if it is free\n',
        '10.5.9.0-24 is already reserved\n',
      ],
    );
  });
});

describe('weft sysdump prints', () => {
  it('the file and its contents', () => {
    const parts = [
      { path: 'daemon/status.json', text: '{}\n' },
      { path: 'kernel/route.txt', text: 'x'.repeat(2048) },
    ];
    assert.equal(
      formatContents('weft-h1.tar.gz', 1_234_567, parts),
      `weft-h1.tar.gz  1.2 MB
  daemon/status.json     3 B
  kernel/route.txt    2.0 kB
`,
    );
  });
});
