import { describeMixedCluster } from '../compliance/kubernetes-mixed.ts';
import { realServer } from '../../lab/kubernetes/lab-api-server.ts';

for (const backend of ['vxlan', 'host-gw'] as const)
  describeMixedCluster('a real API server', backend, realServer);
