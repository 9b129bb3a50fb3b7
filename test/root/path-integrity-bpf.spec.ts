// The assertions of test/path-integrity.spec.ts with the BPF fast path on, and that its programs have taken the packets. Loading a BPF
// program takes the real root: test/in-namespaces.sh with AS_ROOT=1.
import { describeIntegrity, type IntegrityPair } from '../support/path/integrity-suite.ts';

const PAIRS: readonly IntegrityPair[] = [
  { name: 'udp over IPv4', encapsulation: 'udp', underlay: 4 },
  { name: 'udp over IPv6', encapsulation: 'udp', underlay: 6 },
  { name: 'vxlan over IPv4', encapsulation: 'vxlan', underlay: 4 },
  { name: 'vxlan over IPv6', encapsulation: 'vxlan', underlay: 6 },
];

for (const pair of PAIRS) describeIntegrity({ ...pair, tuning: { useBpf: true } }, { usesBpf: true });
