import { describeMixedCluster } from './compliance/kubernetes-mixed.ts';
import { fakeServer } from './support/kubernetes/fake-lab-server.ts';

for (const backend of ['vxlan', 'host-gw'] as const)
  describeMixedCluster('the fake API server', backend, fakeServer);
