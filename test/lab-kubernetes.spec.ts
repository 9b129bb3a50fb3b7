import { describeKubernetesLab } from './compliance/kubernetes-lab.ts';
import { fakeServer } from './support/kubernetes/fake-lab-server.ts';

describeKubernetesLab('the fake API server', fakeServer);
