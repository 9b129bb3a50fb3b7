import { describeKubernetesLife } from './compliance/kubernetes-life.ts';
import { fakeServer } from './support/kubernetes/fake-lab-server.ts';

describeKubernetesLife('the fake API server', fakeServer);
