import { describeKubernetesLab } from '../compliance/kubernetes-lab.ts';
import { realServer } from '../../lab/kubernetes/lab-api-server.ts';

describeKubernetesLab('a real API server', realServer);
