// No harm to frames on the underlay makes the packet path deliver a wrong byte, or lose count: TCP and UDP, IPv4 and
// IPv6 at once, through a middle that damages frames in every form that the outer checksum does not detect.
//
// The short form moves a few hundred MB; PATH_INTEGRITY_GIB=10 moves so many GiB.
import { describeIntegrity, type IntegrityPair } from './support/path/integrity-suite.ts';

const PAIRS: readonly IntegrityPair[] = [
  { name: 'udp over IPv4', encapsulation: 'udp', underlay: 4 },
  { name: 'udp over IPv6', encapsulation: 'udp', underlay: 6 },
  { name: 'vxlan over IPv4', encapsulation: 'vxlan', underlay: 4 },
  { name: 'vxlan over IPv6, two workers', encapsulation: 'vxlan', underlay: 6, tuning: { workers: 2 } },
  { name: 'vxlan with the kernel at the other end', encapsulation: 'vxlan', underlay: 4, kernelEnds: ['a'] },
];

for (const pair of PAIRS) describeIntegrity(pair);
